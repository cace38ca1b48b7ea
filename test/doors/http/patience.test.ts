import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { refusal } from '../../../src/base/refusal.ts';
import { Patience } from '../../../src/doors/http/patience.ts';
import type { Principal } from '../../../src/doors/http/principal.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

const crm: Principal = { kind: 'node', name: 'crm', fingerprint: 'k' };
const shop: Principal = { kind: 'node', name: 'shop', fingerprint: 'l' };
const NO = refusal('policy_denied', 'No.');

test('who is denied over and over is sent away at the door, until the minute is over', () => {
  const patience = new Patience();
  for (let index = 0; index < 59; index += 1) patience.denied(crm, NO);
  expect(patience.ended(crm)).toBeUndefined();
  patience.denied(crm, refusal('rate_limited', 'Slower.'));
  expect(patience.ended(crm)?.code).toBe('rate_limited');
  expect(patience.ended(shop)).toBeUndefined();
  vi.advanceTimersByTime(60_000);
  expect(patience.ended(crm)).toBeUndefined();
});

test('what another moment could have granted does not count, and an operator is always heard', () => {
  const patience = new Patience();
  for (let index = 0; index < 100; index += 1) {
    patience.denied(crm, refusal('lock_timeout', 'Somebody else.'));
    patience.denied({ kind: 'operator' }, NO);
  }
  expect([patience.ended(crm), patience.ended({ kind: 'operator' })]).toEqual([undefined, undefined]);
});
