import { EventEmitter, once } from 'node:events';

import { describe, expect, onTestFinished, test } from 'vitest';

import { Sessions, type SessionLimits } from '../../../src/doors/http/sessions.ts';

const LIMITS: SessionLimits = { idleMs: 100, lastsMs: 1_000, countMax: 3, countOfOneMax: 2 };

function sessions(limits: Partial<SessionLimits> = {}) {
  const clock = { ms: 0 };
  const made = new Sessions(() => clock.ms, { ...LIMITS, ...limits });
  onTestFinished(() => made.close());
  return { clock, made };
}

/** An answer that goes on, or a socket. */
class Stream extends EventEmitter {
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

describe('a session', () => {
  test('stands for the token it was begun with, under an id nobody guesses', () => {
    const { made } = sessions();
    const { id, lastsMs } = made.begin('digest');
    expect(id).toMatch(/^[\w-]{43}$/);
    expect(lastsMs).toBe(1_000);
    expect([made.use(id), made.leftMs(id)]).toEqual(['digest', 1_000]);
    expect(made.use(`${id.slice(0, -1)}!`)).toBeUndefined();
  });

  test('ends when nothing was asked for too long, and lives as long as something is', () => {
    const { clock, made } = sessions();
    const { id } = made.begin('digest');
    for (clock.ms = 90; clock.ms < 500; clock.ms += 90) expect(made.use(id)).toBe('digest');
    // The look by which it is seen how long it has left is none that keeps it.
    expect(made.leftMs(id)).toBeGreaterThan(0);
    clock.ms += 10;
    expect([made.leftMs(id), made.use(id)]).toEqual([undefined, undefined]);
  });

  test('ends at last, however much is asked, and not after its token', () => {
    const { clock, made } = sessions({ idleMs: 10_000 });
    const [long, short] = [made.begin('a'), made.begin('b', 300)];
    expect(short.lastsMs).toBe(300);
    clock.ms = 299;
    expect([made.leftMs(long.id), made.leftMs(short.id)]).toEqual([701, 1]);
    clock.ms = 300;
    expect([made.use(long.id), made.use(short.id)]).toEqual(['a', undefined]);
    clock.ms = 1_000;
    expect(made.use(long.id)).toBeUndefined();
  });

  test('is not idle while a stream is open, and idle from when it closes', () => {
    const { clock, made } = sessions();
    const { id } = made.begin('digest');
    const stream = new Stream();
    made.use(id, stream);
    clock.ms = 500;
    made.sweep();
    stream.emit('close');
    clock.ms = 599;
    made.sweep();
    expect(made.use(id)).toBe('digest');
    clock.ms = 700;
    expect(made.use(id)).toBeUndefined();
  });

  test('that ends takes its streams with it, when an answer on its way has had its time', async () => {
    const { clock, made } = sessions();
    const streams = [new Stream(), new Stream()] as const;
    const [over, loggedOut] = [made.begin('digest'), made.begin('digest')];
    made.use(over.id, streams[0]);
    made.use(loggedOut.id, streams[1]);
    made.end(loggedOut.id);
    clock.ms = 1_000;
    made.sweep();
    expect(streams.map(({ destroyed }) => destroyed)).toEqual([false, false]);
    await Promise.all(streams.map((stream) => once(stream, 'close')));
    expect(streams.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  });

  test('too many: the one that was not used for longest ends, of the same token first', () => {
    const { made } = sessions();
    const [one, two] = [made.begin('a').id, made.begin('a').id];
    made.use(one);
    const three = made.begin('a').id;
    expect([made.use(one), made.use(two), made.use(three)]).toEqual(['a', undefined, 'a']);
    const [four, five] = [made.begin('b').id, made.begin('c').id];
    expect([one, three, four, five].map((id) => made.use(id))).toEqual([undefined, 'a', 'b', 'c']);
  });
});
