import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Denial } from '../../../src/core/node/denial.ts';
import { Denials } from '../../../src/doors/http/denials.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const from = (peer: string): Omit<Denial, 'times'> => ({ peer, what: 'GET /', code: 'unauthorized', message: 'No.' });

test('the first denial stands on record at once, those that follow together', () => {
  const recorded: Denial[] = [];
  const denials = new Denials((denial) => recorded.push(denial));
  for (let index = 0; index < 1_000; index += 1) denials.note(from('10.0.0.9'));
  expect(recorded.map(({ times }) => times)).toEqual([1]);
  vi.advanceTimersByTime(10_000);
  expect(recorded.map(({ times }) => times)).toEqual([1, 999]);
  denials.note(from('10.0.0.9'));
  expect(recorded.map(({ times }) => times)).toEqual([1, 999, 1]);
});

test('a thousand names do not fill the ledger, and none of them is lost', () => {
  const recorded: Denial[] = [];
  const denials = new Denials((denial) => recorded.push(denial));
  for (let index = 0; index < 10_000; index += 1) denials.note(from(`10.0.${index >> 8}.${index % 256}`));
  vi.advanceTimersByTime(10_000);
  expect(recorded.length).toBeLessThan(70);
  expect(recorded.reduce((sum, { times }) => sum + times, 0)).toBe(10_000);
});

test('a long message is cut before it is put on record', () => {
  const recorded: Denial[] = [];
  new Denials((denial) => recorded.push(denial)).note({ ...from('a'), message: 'x'.repeat(20_000) });
  expect(recorded[0]?.message.length).toBe(300);
});

test('what was counted is not lost when the door closes', () => {
  const recorded: Denial[] = [];
  const denials = new Denials((denial) => recorded.push(denial));
  denials.note(from('a'));
  denials.note(from('a'));
  denials.flush();
  expect(recorded.map(({ times }) => times)).toEqual([1, 1]);
});
