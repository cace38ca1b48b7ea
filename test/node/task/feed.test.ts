import { describe, expect, test } from 'vitest';

import { Feed } from '../../../src/node/task/feed.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { TaskPiece } from '../../../src/ports/mesh.ts';
import { readToController, writeMessage } from '../../../src/wire/link.ts';

/** Time that goes on when it is told to. */
function stepped(): { clock: Clock; pass: (ms: number) => void } {
  let now = 0;
  let due: { at: number; run: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    mono: () => now,
    after: (ms, run) => {
      const one = { at: now + ms, run };
      due.push(one);
      return () => (due = due.filter((other) => other !== one));
    },
    soon: (run) => run(),
  };
  return {
    clock,
    pass: (ms) => {
      for (const end = now + ms; ;) {
        const next = due.filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
        now = next?.at ?? end;
        if (next === undefined) return;
        due = due.filter((other) => other !== next);
        next.run();
      }
    },
  };
}

describe("a node's feed of what its tasks say", () => {
  const opened = (): { feed: Feed; sent: (readonly TaskPiece[])[]; pass: (ms: number) => void } => {
    const { clock, pass } = stepped();
    const sent: (readonly TaskPiece[])[] = [];
    return { feed: new Feed(clock, (pieces) => sent.push(pieces)), sent, pass };
  };

  test('gathers what comes together, in order, and splits no character', () => {
    const { feed, sent, pass } = opened();
    feed.begin('a', 'm1');
    pass(0);
    const bytes = Buffer.from('grün 🛠\n');
    for (const byte of bytes) feed.say('a', Buffer.from([byte]));
    feed.end('a', 'done', 'fine');
    pass(1_000);
    expect(sent).toEqual([
      [{ task: 'a', mutation: 'm1', state: 'running' }],
      [
        { task: 'a', text: 'grün 🛠\n' },
        { task: 'a', state: 'done', words: 'fine' },
      ],
    ]);
  });

  test('of a flood says so many messages a second, each of a size that the link takes, and what is left out', () => {
    const { feed, sent, pass } = opened();
    feed.begin('a', 'm1');
    for (let second = 0; second < 10; second += 1) {
      for (let times = 0; times < 50; times += 1) feed.say('a', Buffer.alloc(64_000, 1));
      pass(1_000);
    }
    feed.end('a', 'failed', 'w'.repeat(5_000));
    pass(60_000);
    expect(sent.length).toBeLessThan(90);
    for (const pieces of sent) {
      const text = writeMessage({ type: 'output', pieces });
      expect(Buffer.byteLength(text)).toBeLessThan(64 * 1_024);
      expect(readToController(text).ok).toBe(true);
    }
    const all = sent.flat();
    const told = all.reduce((sum, { text = '', leftOut = 0 }) => sum + text.length + leftOut, 0);
    expect(told).toBe(10 * 50 * 64_000);
    expect(all.at(-1)).toMatchObject({ state: 'failed' });
  });

  test('of two that flood at once says all that it leaves out, and how a third ended', () => {
    const { feed, sent, pass } = opened();
    for (const task of ['a', 'b', 'c']) feed.begin(task, `m-${task}`);
    const flood = (): void => {
      for (let times = 0; times < 3_000; times += 1)
        for (const task of ['a', 'b']) feed.say(task, Buffer.alloc(100, 1));
    };
    flood();
    feed.end('c', 'done', 'fine');
    flood();
    pass(60_000);
    const all = sent.flat();
    const told = all.reduce((sum, { text = '', leftOut = 0 }) => sum + text.length + leftOut, 0);
    expect(told).toBe(2 * 2 * 3_000 * 100);
    expect(all).toContainEqual({ task: 'c', state: 'done', words: 'fine' });
  });

  test('of thousands of short tasks tells the last', () => {
    const { feed, sent, pass } = opened();
    for (let task = 0; task < 5_000; task += 1) {
      feed.begin(`t${task}`, 'm');
      feed.say(`t${task}`, Buffer.from('x'));
      feed.end(`t${task}`, 'done', 'fine');
    }
    pass(60_000);
    expect(sent.flat().at(-1)).toMatchObject({ task: 't4999', state: 'done' });
    expect(sent.flat().length).toBeLessThanOrEqual(1_001);
  });
});
