import { describe, expect, test } from 'vitest';

import { detailOf } from '../../../web/timeline/detail.ts';
import { lanesOf } from '../../../web/timeline/lanes.ts';
import { stepFrom } from '../../../web/timeline/steps.ts';
import { clusterWords, durationWords, itemWords, lastingWords, timeWords } from '../../../web/timeline/words.ts';
import { EPOCH, item } from './played.ts';

describe('keys', () => {
  const lanes = lanesOf(
    ['web1', 'idle', 'db1'],
    [
      item('a', 0, 5),
      item('b', 10, 15),
      item('c', 20, 25),
      item('d', 8, 9, { node: 'db1' }),
      item('e', 18, 19, { node: 'db1' }),
    ],
  );

  test.each([
    ['b', 'earlier', 'a'],
    ['b', 'later', 'c'],
    ['a', 'earlier', undefined],
    ['c', 'later', undefined],
    ['b', 'first', 'a'],
    ['b', 'last', 'c'],
    ['b', 'below', 'd'],
    ['c', 'below', 'e'],
    ['e', 'above', 'c'],
    ['d', 'above', 'b'],
    ['a', 'above', undefined],
  ] as const)('lead from %s %s to %s', (from, step, to) => {
    expect(stepFrom(lanes, from, step)?.id).toBe(to);
  });

  test('begin at the newest of all', () => {
    expect(stepFrom(lanes, undefined, 'earlier')?.id).toBe('c');
    expect(stepFrom(lanes, 'gone', 'below')?.id).toBe('c');
    expect(stepFrom(lanesOf(['web1'], []), undefined, 'later')).toBeUndefined();
  });
});

describe('words', () => {
  test.each([
    [0, '0 ms'],
    [850, '850 ms'],
    [3_249, '3.2 s'],
    [59_999, '59.9 s'],
    [120_000, '2 min'],
    [250_000, '4 min 10 s'],
    [7_500_000, '2 h 5 min'],
    [273_600_000, '3 d 4 h'],
  ])('for %i ms are %s', (ms, words) => {
    expect(durationWords(ms)).toBe(words);
  });

  test('say what somebody would see', () => {
    const one = item('a', 0, 3.2, {
      stage: 'rolled_back',
      mode: 'critical',
      snapshots: [{ name: 'x' }, { name: 'y' }],
    });
    expect(itemWords(one, EPOCH)).toBe(
      'web1: change a, critical, rolled back, 2026-06-16 16:00:00 UTC, 3.2 s, 2 snapshots',
    );
    expect(timeWords(EPOCH)).toBe('2026-06-16 16:00:00 UTC');
  });

  test('do not say how long something took that never began', () => {
    expect(lastingWords(item('a', 0, 5, { stage: 'denied' }), EPOCH)).toBeUndefined();
    expect(lastingWords(item('b', 0, undefined), EPOCH + 90_000)).toBe('1 min 30 s');
  });

  test('count what a cluster holds', () => {
    const items = [item('a', 0, 0.1), item('b', 0.2, 0.3), item('c', 0.4, 0.5, { stage: 'quarantined' })];
    const [row] = lanesOf([], items)[0]?.rows ?? [];
    const [cluster] = row === undefined ? [] : detailOf(row, 4_096).clusters;
    expect(cluster === undefined ? '' : clusterWords(cluster)).toBe('3 mutations: 2 committed, 1 quarantined');
  });
});
