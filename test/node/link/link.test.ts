import { beforeEach, describe, expect, it } from 'vitest';

import { backoffMs } from '../../../src/node/link/backoff.ts';
import { Link, type WireEvents } from '../../../src/node/link/link.ts';
import { VirtualClock } from '../../engine/place.ts';

let clock: VirtualClock;
let dialled: { at: number; events: WireEvents; sent: string[]; pings: number }[];
let heard: unknown[];
let logged: string[];
let link: Link;

beforeEach(() => {
  clock = new VirtualClock();
  dialled = [];
  heard = [];
  logged = [];
  const log = (_: unknown, message: string): void => void logged.push(message);
  link = new Link({
    clock,
    random: () => 1,
    log: { info: log, warn: log, error: log },
    turned: () => heard.push(link.up ? 'up' : 'down'),
    heard: (message) => heard.push(message),
    dial: (events) => {
      const one = { at: clock.mono(), events, sent: [] as string[], pings: 0 };
      dialled.push(one);
      return {
        send: (text) => one.sent.push(text),
        ping: () => void (one.pings += 1),
        close: () => events.closed('closed by us'),
      };
    },
  });
  link.start();
});

function last(): (typeof dialled)[number] {
  const one = dialled.at(-1);
  if (one === undefined) throw new Error('nothing was dialled');
  return one;
}

const answer = { type: 'answer', id: '1', ok: true } as const;

describe('the delay before another attempt', () => {
  it('doubles, up to ten seconds, for ever', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 1_000, 1e9].map((failures) => backoffMs(failures, 1))).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000,
    ]);
  });

  it('is mostly chance', () => {
    expect([backoffMs(6, 0), backoffMs(6, 0.5)]).toEqual([2_000, 6_000]);
  });
});

describe('a link', () => {
  it('says nothing before it is up, and says then that it is', () => {
    link.say(answer);
    expect(last().sent).toEqual([]);
    last().events.opened();
    link.say(answer);
    expect(heard).toEqual(['up']);
    expect(last().sent).toEqual(['{"type":"answer","id":"1","ok":true}']);
  });

  it('is made again and again while the controller is away, for a week if need be', async () => {
    for (let hour = 0; hour < 3; hour += 1) {
      last().events.closed('connection refused');
      await clock.pass(10_000);
    }
    expect(dialled.map(({ at }) => at)).toEqual([0, 500, 11_000, 22_000]);
    for (let times = 0; times < 1_000; times += 1) {
      last().events.closed('connection refused');
      await clock.pass(10_000);
    }
    expect(dialled).toHaveLength(1_004);
    expect(logged.length).toBeLessThan(50);
  });

  it('begins with short delays again only after a connection that lasted', async () => {
    for (const lastedMs of [0, 0, 0, 10_000]) {
      last().events.opened();
      await clock.pass(lastedMs);
      last().events.closed('cut');
      const at = clock.mono();
      await clock.pass(10_000);
      heard.push(last().at - at);
    }
    expect(heard.filter((one) => typeof one === 'number')).toEqual([500, 1_000, 2_000, 500]);
  });

  it('gives up a peer that answers no ping within 15 s, and keeps one that does', async () => {
    last().events.opened();
    for (let times = 0; times < 20; times += 1) {
      await clock.pass(5_000);
      last().events.ponged();
    }
    expect(dialled).toHaveLength(1);
    await clock.pass(14_900);
    expect(link.up).toBe(true);
    await clock.pass(200);
    expect(link.up).toBe(false);
    await clock.pass(500);
    expect(dialled).toHaveLength(2);
  });

  it('understands orders, and only logs what it does not', () => {
    last().events.opened();
    last().events.said('{"type":"resume","epoch":3,"order":4}');
    last().events.said('junk');
    last().events.said('{"type":"dance"}');
    expect(heard).toEqual(['up', { type: 'resume', epoch: 3, order: 4 }]);
    expect(logged.filter((one) => /not understood/.test(one))).toHaveLength(2);
  });

  it('ends for good when the node does', async () => {
    last().events.opened();
    await link.stop();
    await clock.pass(60_000);
    expect(dialled).toHaveLength(1);
  });
});
