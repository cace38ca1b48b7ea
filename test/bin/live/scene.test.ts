import { describe, expect, test } from 'vitest';

import { plain } from '../../../src/bin/colour.ts';
import { nodeBar, type Scene, sceneLines } from '../../../src/bin/live/scene.ts';
import { stopwatch } from '../../../src/bin/live/stopwatch.ts';
import { widthOf } from '../../../src/bin/width.ts';

const NOW = Date.parse('2026-06-16T12:00:00Z');
const before = (seconds: number): string => new Date(NOW - seconds * 1_000).toISOString();
const lock = (mutation: string, more: Partial<Scene['locks'][number]>): Scene['locks'][number] => ({
  mutation,
  node: 'web1',
  intent: 'bump the schema',
  stage: 'cleared',
  datasets: [{ name: '/srv/site', driver: 'directory' }],
  mode: 'standard',
  onExpiry: 'rollback',
  pinned: false,
  requestedAt: before(65),
  snapshots: [],
  evidence: [],
  blockedBy: [],
  ...more,
});
const quiet: Scene = {
  controller: 'base',
  records: 7,
  locks: [],
  barriers: [],
  nodes: undefined,
  silentSince: undefined,
};
const shown = (scene: Partial<Scene>): string[] => sceneLines({ ...quiet, ...scene }, NOW, 80, plain);

describe('the scene below the events', () => {
  test('says that nothing is the case, on a rule as wide as the terminal', () => {
    const [rule, ...rest] = shown({});
    expect(rule).toMatch(/^── base · 0 open · 0 waiting · record 7 ─+ live ──$/);
    expect([rule].map((line) => widthOf(line ?? ''))).toEqual([79]);
    expect(rest).toEqual(['nobody holds a lock']);
  });

  test('says who holds what, for how long, and who waits for whom', () => {
    const lines = shown({
      locks: [
        lock('m1', { clearedAt: before(5), expiresAt: before(-590) }),
        lock('m2', { node: 'ci', stage: 'queued', intent: 'two\nlines', blockedBy: ['m1'] }),
      ],
    });
    expect(lines[0]).toContain('1 open · 1 waiting');
    expect(lines.slice(1)).toEqual([
      '● cleared  web1  0:05  bump the schema  m1  lease 9:50',
      '○ queued   ci    1:05  two\\nlines  waits for web1  m2',
    ]);
  });

  test('names the nodes that a barrier awaits, and why one broke it', () => {
    const barrier = {
      epoch: 7,
      intent: 'upgrade',
      phase: 'flushing' as const,
      forMs: 1_200,
      answered: [{ node: 'a' }, { node: 'b' }],
      awaited: ['crm'],
      broken: [{ node: 'old', why: 'ran too early' }],
    };
    expect(shown({ barriers: [barrier] })[1]).toBe(
      '▲ barrier 7 flushing ▰▰▱╳ upgrade, waiting for crm, old: ran too early 0:01',
    );
  });

  test('says since when the controller is not heard', () => {
    expect(shown({ silentSince: NOW - 3_000 })[0]).toMatch(/─ not heard for 0:03, trying again ──$/);
  });
});

test.each([
  [0, 3, 0, '▱▱▱'],
  [3, 0, 0, '▰▰▰'],
  [50, 50, 0, '▰▰▰▰▰▰▰▰▰▰▱▱▱▱▱▱▱▱▱▱'],
  [99, 1, 0, '▰▰▰▰▰▰▰▰▰▰▰▰▰▰▰▰▰▰▰▱'],
  [0, 0, 0, ''],
])('%d answered, %d awaited, %d broken: %s', (answered, awaited, broken, bar) => {
  expect(nodeBar(answered, awaited, broken)).toBe(bar);
});

test.each([
  [-5, '0:00'],
  [7_900, '0:07'],
  [723_000, '12:03'],
  [3_723_000, '1:02:03'],
])('%d ms on the clock are %s', (ms, words) => {
  expect(stopwatch(ms)).toBe(words);
});
