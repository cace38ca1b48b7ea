import { afterEach, describe, expect, test } from 'vitest';

import { type Connection, EventStream, type Happened } from '../../../web/live/stream.ts';
import { until } from '../../until.ts';

/** A controller's side of the stream, connection by connection. */
class Played {
  readonly asked: (string | null)[] = [];
  readonly happened: Happened[] = [];
  readonly connections: Connection[] = [];
  lost = 0;
  readonly stream: EventStream;
  /** What is answered next; after that, a stream. */
  readonly answers: (() => Response)[];
  #writer: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(answers: readonly (() => Response)[] = [], silentMs = 1_000, backoffMs = 1) {
    this.answers = [...answers];
    const listener = {
      happened: (event: Happened) => void this.happened.push(event),
      connection: (connection: Connection) => void this.connections.push(connection),
      lost: () => void (this.lost += 1),
    };
    this.stream = new EventStream(listener, {
      fetch: async (_, options) => {
        this.asked.push(new Headers(options?.headers).get('last-event-id'));
        const answer = this.answers.shift();
        return answer === undefined ? this.#open(options?.signal ?? undefined) : answer();
      },
      now: () => 5_000,
      silentMs,
      backoffMs: () => backoffMs,
    });
    void this.stream.run();
  }

  say(text: string): void {
    this.#writer?.enqueue(new TextEncoder().encode(text));
  }

  event(id: number, type = 'cleared'): void {
    const data = { id: String(id), type: `hauki.${type}`, time: '', data: { type } };
    this.say(`id: ${id}\nevent: hauki.${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  breakOff(): void {
    this.#writer?.error(new Error('the line is dead'));
  }

  opened(times: number): Promise<boolean> {
    return until(
      () => this.connections.filter(({ state }) => state === 'live').length === times,
      `${times} connections`,
    );
  }

  #open(signal: AbortSignal | undefined): Response {
    const body = new ReadableStream<Uint8Array>({
      start: (writer) => {
        this.#writer = writer;
        signal?.addEventListener('abort', () => {
          try {
            writer.error(new Error('aborted'));
          } catch {
            // It had ended.
          }
        });
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }
}

const refused = (status: number, code: string) => (): Response =>
  Response.json({ status: 'denied', code, message: `no: ${code}`, hint: '' }, { status });

describe('the stream of events', () => {
  let played: Played;
  afterEach(() => played.stream.end());

  test('tells events, and asks for everything when it begins', async () => {
    played = new Played();
    await played.opened(1);
    played.say(': heartbeat\n\n');
    played.event(7);
    await until(() => played.happened.length === 1, 'the event');
    expect(played.happened[0]?.data.type).toBe('cleared');
    expect([played.lost, played.asked]).toEqual([1, [null]]);
  });

  test('resumes after the last event, is stale meanwhile, and asks for nothing twice', async () => {
    played = new Played();
    await played.opened(1);
    played.event(7);
    await until(() => played.happened.length === 1, 'the event');
    played.breakOff();
    await played.opened(2);
    expect(played.asked).toEqual([null, '7']);
    expect(played.lost).toBe(1);
    expect(played.connections).toEqual([
      { state: 'connecting' },
      { state: 'live' },
      { state: 'stale', since: 5_000, tries: 1 },
      { state: 'live' },
    ]);
  });

  test('an event that comes in pieces is one', async () => {
    played = new Played();
    await played.opened(1);
    played.say('id: 9\nevent: hauki.commi');
    played.say('tted\ndata: {"id":"9","data":{"type":"comm');
    played.say('itted"}}\n\n');
    await until(() => played.happened.length === 1, 'the event');
    expect(played.happened[0]?.data.type).toBe('committed');
  });

  test('a line that says nothing for too long is a dead one', async () => {
    played = new Played([], 30);
    await played.opened(2);
    expect(played.connections.some(({ state }) => state === 'stale')).toBe(true);
  });

  test.each([
    [401, 'unauthorized'],
    [403, 'forbidden'],
  ])('%d ends it, and says why', async (status, code) => {
    played = new Played([refused(status, code)]);
    await until(() => played.connections.at(-1)?.state === 'refused', 'the refusal');
    expect(played.connections.at(-1)).toEqual({ state: 'refused', code, why: `no: ${code}` });
  });

  test('what is not a refusal for good is tried again', async () => {
    played = new Played([refused(503, 'overloaded'), () => Promise.reject(new Error('no network')) as never]);
    await played.opened(1);
    expect(played.asked.length).toBe(3);
  });

  test('a ledger that is another one than before is begun with anew', async () => {
    played = new Played();
    await played.opened(1);
    played.event(90);
    await until(() => played.happened.length === 1, 'the event');
    played.answers.push(refused(409, 'cursor_ahead'));
    played.breakOff();
    await played.opened(2);
    expect(played.asked).toEqual([null, '90', null]);
    expect(played.lost).toBe(2);
  });

  test('after events that were missed everything is asked for anew', async () => {
    played = new Played();
    await played.opened(1);
    played.event(5);
    await until(() => played.happened.length === 1, 'the event');
    played.say('event: hauki.stream.missed\ndata: {"data":{"from":6,"to":9,"after":5}}\n\n');
    played.breakOff();
    await played.opened(2);
    expect(played.asked.at(-1)).toBeNull();
    expect(played.lost).toBe(2);
  });

  test('lets go while nobody looks, and resumes where it was', async () => {
    played = new Played();
    await played.opened(1);
    played.event(7);
    await until(() => played.happened.length === 1, 'the event');
    played.stream.rest();
    played.stream.nudge();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(played.asked).toEqual([null]);
    played.stream.resume();
    await played.opened(2);
    expect(played.asked).toEqual([null, '7']);
    expect(played.connections.map(({ state }) => state)).toEqual(['connecting', 'live', 'connecting', 'live']);
  });

  test('does not try again while nobody looks', async () => {
    played = new Played([refused(503, 'overloaded')], 1_000, 40);
    await until(() => played.connections.at(-1)?.state === 'stale', 'it waits');
    played.stream.rest();
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(played.asked.length).toBe(1);
    played.stream.resume();
    await played.opened(1);
  });

  test('told to end it asks no more', async () => {
    played = new Played();
    await played.opened(1);
    played.stream.end();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(played.asked.length).toBe(1);
  });
});
