import { describe, expect, test } from 'vitest';

import { type Bucket, fullBucket, Paces, take } from '../../../src/doors/irc/flood.ts';
import { Outbox, type Urgency } from '../../../src/doors/irc/outbox.ts';
import { VirtualClock } from '../../engine/place.ts';

const PACE = { burst: 5, perSecond: 2 };

describe('a token bucket', () => {
  test('lets a burst through, then so many a second', () => {
    let bucket: Bucket = fullBucket(PACE, 0);
    const at: number[] = [];
    for (let now = 0; now <= 3_000; now += 50) {
      for (let taken = take(bucket, PACE, now); taken.ok; taken = take(bucket, PACE, now)) {
        at.push(now);
        bucket = taken.bucket;
      }
    }
    expect(at).toEqual([0, 0, 0, 0, 0, 500, 1_000, 1_500, 2_000, 2_500, 3_000]);
  });

  test('says how long to wait, and never fills beyond its brim or from a clock that goes back', () => {
    expect(take({ tokens: 0, at: 0 }, PACE, 100)).toEqual({ ok: false, waitMs: 400 });
    expect(take({ tokens: 0, at: 0 }, PACE, 1e9)).toEqual({ ok: true, bucket: { tokens: 4, at: 1e9 } });
    expect(take({ tokens: 0.5, at: 1_000 }, PACE, 0)).toMatchObject({ ok: false });
  });

  test('keeps a reserve for what is more urgent', () => {
    expect(take({ tokens: 3, at: 0 }, PACE, 0, 3)).toEqual({ ok: false, waitMs: 500 });
    expect(take({ tokens: 3, at: 0 }, PACE, 0)).toMatchObject({ ok: true });
  });
});

test('each person has a bucket, and only the latest are remembered', () => {
  const paces = new Paces({ burst: 1, perSecond: 1 }, 2);
  expect(['a', 'a', 'b', 'c', 'a'].map((who) => paces.take(who, 0))).toEqual([true, false, true, true, true]);
});

describe('what waits to be said', () => {
  const setting = (): {
    clock: VirtualClock;
    outbox: Outbox;
    said: string[];
    post: (urgency: Urgency, what: string) => Promise<boolean>;
  } => {
    const clock = new VirtualClock();
    const outbox = new Outbox(PACE, clock);
    const said: string[] = [];
    return { clock, outbox, said, post: (urgency, what) => outbox.post(urgency, () => void said.push(what)) };
  };

  test('goes out at the pace, a barrier first', async () => {
    const { clock, outbox, said, post } = setting();
    outbox.open();
    for (const what of ['n1', 'n2', 'n3', 'n4']) void post('news', what);
    void post('answer', 'a');
    expect(said).toEqual(['n1', 'n2']);
    for (const what of ['c1', 'c2', 'c3', 'c4']) void post('control', what);
    expect(said).toEqual(['n1', 'n2', 'c1', 'c2', 'c3']);
    await clock.pass(500);
    expect(said.at(-1)).toBe('c4');
    await clock.pass(2_000);
    expect(said.slice(6)).toEqual(['a']);
    await clock.pass(1_500);
    expect(said.slice(6)).toEqual(['a', 'n3', 'n4']);
  });

  test('goes out together where it belongs together, and a sign of life only where it delays nothing', async () => {
    const { clock, outbox, said } = setting();
    const write = (what: string) => () => void said.push(what);
    expect(outbox.offer(write('too early'), 1)).toBe(false);
    outbox.open();
    expect([outbox.offer(write('b1'), 2), outbox.offer(write('b2'), 2)]).toEqual([true, false]);
    void outbox.post('control', write('halted'), 3);
    void outbox.post('control', write('running'), 2);
    expect(said).toEqual(['b1', 'halted']);
    await clock.pass(500);
    expect([outbox.offer(write('b3'), 1), said.length]).toEqual([false, 2]);
    await clock.pass(500);
    expect(said).toEqual(['b1', 'halted', 'running']);
    // More than a burst goes out when the bucket is full, and is owed.
    void outbox.post('control', write('long'), 9);
    await clock.pass(2_500);
    expect(said.at(-1)).toBe('long');
    void outbox.post('control', write('after'));
    await clock.pass(2_400);
    expect(said.at(-1)).toBe('long');
    await clock.pass(200);
    expect(said.at(-1)).toBe('after');
  });

  test('is bounded, and ends with the connection', async () => {
    const { outbox, said, post } = setting();
    expect(await post('news', 'too early')).toBe(false);
    outbox.open();
    const waiting = Array.from({ length: 100 }, (_, index) => post('answer', `a${index}`));
    expect(outbox.dropped).toBe(1 + 100 - 2 - 64);
    outbox.shut();
    expect((await Promise.all(waiting)).filter(Boolean)).toHaveLength(2);
    expect(said).toHaveLength(2);
  });
});
