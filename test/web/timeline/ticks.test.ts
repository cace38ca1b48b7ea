import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { ticksOf } from '../../../web/timeline/ticks.ts';

const labels = (from: string, to: string, most: number): string[] =>
  ticksOf({ from: Date.parse(from), to: Date.parse(to) }, most).map(({ label }) => label);

describe('marks on the axis', () => {
  test.each([
    [
      '2026-06-16T16:24:56.120Z',
      '2026-06-16T16:24:56.160Z',
      ['16:24:56.120', '16:24:56.130', '16:24:56.140', '16:24:56.150', '16:24:56.160'],
    ],
    ['2026-06-16T16:24:50Z', '2026-06-16T16:25:10Z', ['16:24:50', '16:24:55', '16:25:00', '16:25:05', '16:25:10']],
    ['2026-06-16T22:30:00Z', '2026-06-17T02:00:00Z', ['23:00', '17 Jun', '01:00', '02:00']],
    ['2026-06-16T12:00:00Z', '2026-06-20T12:00:00Z', ['17 Jun', '18 Jun', '19 Jun', '20 Jun']],
    ['2026-11-15T00:00:00Z', '2027-03-15T00:00:00Z', ['Dec 2026', '2027', 'Feb 2027', 'Mar 2027']],
    ['2020-01-01T00:00:00Z', '2029-06-01T00:00:00Z', ['2020', '2022', '2024', '2026', '2028']],
  ])('are round times in UTC: from %s to %s', (from, to, expected) => {
    expect(labels(from, to, 5)).toEqual(expected);
  });

  test('of several days are counted within the month', () => {
    expect(labels('2026-06-20T00:00:00Z', '2026-07-12T00:00:00Z', 5)).toEqual([
      '21 Jun',
      '26 Jun',
      '1 Jul',
      '6 Jul',
      '11 Jul',
    ]);
  });

  test('lie in view, in order, and are never many more than have room', () => {
    const lengths = fc.integer({ min: 20, max: 2 ** 31 - 1 }).map((n) => n * 20);
    fc.assert(
      fc.property(
        fc.integer({ min: 1.6e12, max: 1.9e12 }),
        lengths,
        fc.integer({ min: 2, max: 20 }),
        (from, ms, most) => {
          const times = ticksOf({ from, to: from + ms }, most).map(({ time }) => time);
          expect(times).toEqual(times.toSorted((a, b) => a - b));
          expect(times.every((time) => time >= from && time <= from + ms)).toBe(true);
          expect(times.length).toBeLessThanOrEqual(most * 1.5 + 2);
        },
      ),
    );
  });
});
