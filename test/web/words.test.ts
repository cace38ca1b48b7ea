import { describe, expect, test } from 'vitest';

import { ago, count, duration } from '../../web/words.ts';

describe('words', () => {
  test.each([
    [-5, '0 ms'],
    [0, '0 ms'],
    [420, '420 ms'],
    [1_000, '1.0 s'],
    [9_949, '9.9 s'],
    [9_951, '10 s'],
    [59_400, '59 s'],
    [59_500, '1 min'],
    [3_599_000, '1 h'],
    [3_600_000 + 300_000, '1 h 5 min'],
    [26 * 3_600_000, '1 d'],
  ])('a duration of %d ms is %s', (ms, words) => {
    expect(duration(ms)).toBe(words);
  });

  test.each([
    [-1, 'just now'],
    [999, 'just now'],
    [1_900, '1 s ago'],
    [12_999, '12 s ago'],
    [180_000, '3 min ago'],
  ])('what was %d ms ago was %s', (ms, words) => {
    expect(ago(ms)).toBe(words);
  });

  test('count says one or many', () => {
    expect([count(1, 'node'), count(3, 'node'), count(1_200, 'entry', 'entries')]).toEqual([
      '1 node',
      '3 nodes',
      '1,200 entries',
    ]);
  });
});
