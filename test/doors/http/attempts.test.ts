import { expect, test } from 'vitest';

import { Attempts } from '../../../src/doors/http/attempts.ts';

test('ten bad tries at once, then one every six seconds, each address for itself', () => {
  let ms = 5_000_000;
  const attempts = new Attempts(() => ms);
  for (let tried = 0; tried < 10; tried += 1) {
    expect(attempts.waitMs('10.0.0.1')).toBe(0);
    attempts.failed('10.0.0.1');
  }
  expect([attempts.waitMs('10.0.0.1'), attempts.waitMs('10.0.0.2')]).toEqual([6_000, 0]);
  ms += 5_999;
  expect(attempts.waitMs('10.0.0.1')).toBe(1);
  ms += 1;
  expect(attempts.waitMs('10.0.0.1')).toBe(0);
  attempts.failed('10.0.0.1');
  expect(attempts.waitMs('10.0.0.1')).toBe(6_000);
  ms += 60_000;
  for (let tried = 0; tried < 10; tried += 1) attempts.failed('10.0.0.1');
  expect(attempts.waitMs('10.0.0.1')).toBe(6_000);
});

test('addresses beyond number do not fill the memory', () => {
  const attempts = new Attempts(() => 0);
  for (let tried = 0; tried < 10; tried += 1) attempts.failed('first');
  for (let one = 0; one < 1_023; one += 1) attempts.failed(`10.0.0.${one}`);
  expect(attempts.waitMs('first')).toBe(6_000);
  attempts.failed('one more');
  expect(attempts.waitMs('first')).toBe(0);
});
