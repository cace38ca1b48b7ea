import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { canonicalJson } from '../../src/base/canonical.ts';
import { CODES } from '../../src/base/codes.ts';
import { formatDuration, parseDuration } from '../../src/base/duration.ts';
import { BoundedQueue } from '../../src/base/queue.ts';
import { refusal, RefusedError } from '../../src/base/refusal.ts';

describe('durations', () => {
  test.each([
    ['90s', 90_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['500ms', 500],
    ['0s', 0],
    ['1.5s', 1_500],
    ['2d', 172_800_000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: ms });
  });

  test.each(['', '10', 's', '10 m', '-1s', '1s ', '1w', '1,5s', '٣s', '9999999999999999d', 'NaNs', '1e3s'])(
    '"%s" is none',
    (text) => {
      expect(parseDuration(text)).toMatchObject({ ok: false, error: { code: 'duration_invalid' } });
    },
  );

  test.each([
    [4, '4 ms'],
    [1_234, '1.2 s'],
    [180_000, '3 min'],
    [7_200_000, '2 h'],
    [432_000_000, '5 d'],
  ])('%d ms for people', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('canonical JSON', () => {
  test('one text for one value, whatever the order of its keys', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: undefined, A: true })).toBe(
      '{"A":true,"b":[1,{"c":"x","d":null}]}',
    );
    expect(canonicalJson([undefined])).toBe('[null]');
  });

  test('says the same as JSON, in one order', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(JSON.parse(canonicalJson(value)))).toBe(canonicalJson(value));
      }),
    );
  });

  test.each([Number.NaN, Infinity, 1n, () => 1, Symbol('s')])('refuses what JSON would lose', (value) => {
    expect(() => canonicalJson({ value })).toThrow(TypeError);
  });
});

describe('a bounded queue', () => {
  test('is first in, first out, and refuses what does not fit', () => {
    const queue = new BoundedQueue<number>(2);
    expect([queue.offer(1), queue.offer(2), queue.offer(3)]).toEqual([true, true, false]);
    queue.force(4);
    expect(queue.length).toBe(3);
    expect(queue.take(2)).toEqual([1, 2]);
    expect(queue.offer(5)).toBe(true);
    expect(queue.take(10)).toEqual([4, 5]);
  });
});

describe('refusals', () => {
  test('take their hint from the catalogue unless the place knows better', () => {
    expect(refusal('overloaded', 'Too much.').hint).toBe(CODES.overloaded.hint);
    expect(refusal('overloaded', 'Too much.', 'Wait.', { open: 3 })).toEqual({
      code: 'overloaded',
      message: 'Too much.',
      hint: 'Wait.',
      evidence: { open: 3 },
    });
  });

  test('can be thrown, and then say everything', () => {
    const error = new RefusedError(refusal('home_locked', 'Taken.'));
    expect(error).toBeInstanceOf(Error);
    expect(error.message).toBe(`Taken. (home_locked). ${CODES.home_locked.hint}`);
  });

  test('have a hint each, an exit code of the contract, and a status that fits', () => {
    for (const { hint, exit, http } of Object.values(CODES)) {
      expect(hint).toMatch(/^["A-Z].*\.$/);
      expect([64, 70, 75]).toContain(exit);
      expect(http).toBeGreaterThanOrEqual(400);
    }
  });
});
