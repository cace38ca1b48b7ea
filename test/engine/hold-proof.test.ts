import { expect, test } from 'vitest';

import { HoldProof } from '../../src/engine/mesh/hold-proof.ts';

const HALT_MS = 10_000;

test('an order that was read puts a deadline off to so long after it was sent', () => {
  const proof = new HoldProof(['crm'], 0, HALT_MS, false);
  proof.sends(1, 3_000);
  proof.sends(2, 6_000);
  proof.heard('crm', 1);
  expect(proof.unproven(12_999)).toEqual([]);
  expect(proof.unproven(13_000)).toEqual(['crm']);
});

test('what a node acknowledged to an earlier controller proves nothing to this one', () => {
  const proof = new HoldProof(['crm'], 0, HALT_MS, true);
  proof.sends(1, 3_000);
  proof.sends(2, 9_000);
  for (let beat = 0; beat < 3; beat += 1) proof.heard('crm', 150);
  expect(proof.unproven(10_000)).toEqual(['crm']);
  // An order above that it has read from this one.
  proof.sends(151, 9_500);
  proof.heard('crm', 151);
  expect(proof.unproven(19_499)).toEqual([]);
  expect(proof.unproven(19_500)).toEqual(['crm']);
});
