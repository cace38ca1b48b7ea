import { describe, expect, test } from 'vitest';

import { BUGS } from '../../sim/bugs.ts';
import { run } from '../../sim/run.ts';

/** More by hand: npm run sim -- --seeds 10000 */
const SEEDS = 200;
/** Within so many seeds each planted bug must be found. */
const SEEDS_MAX = 2_000;
const TIMEOUT_MS = 60_000;

test('the same seed does the same, another one does not', async () => {
  const [one, again, other] = [await run(7), await run(7), await run(8)];
  expect(again).toEqual(one);
  expect(other.hash).not.toBe(one.hash);
});

test(`${SEEDS} bad worlds keep every invariant`, { timeout: TIMEOUT_MS }, async () => {
  const stages: Record<string, number> = {};
  const barriers: Record<string, number> = {};
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const report = await run(seed);
    expect(report.violation, `seed ${seed}:\n${report.last.join('\n')}`).toBeUndefined();
    for (const [stage, number] of Object.entries(report.stages)) stages[stage] = (stages[stage] ?? 0) + number;
    for (const [end, number] of Object.entries(report.barriers)) barriers[end] = (barriers[end] ?? 0) + number;
  }
  // A world in which nothing ever succeeds, or nothing ever fails, would prove little.
  const rare = ['committed', 'rolled_back', 'quarantined', 'denied', 'cancelled'].filter(
    (stage) => (stages[stage] ?? 0) < 5,
  );
  expect(rare).toEqual([]);
  const rareBarriers = ['cleared', 'node_lost', 'flush_failed', 'barrier_broken'].filter(
    (end) => (barriers[end] ?? 0) < 5,
  );
  expect(rareBarriers).toEqual([]);
});

test('in a fair world nobody is quarantined', async () => {
  let committed = 0;
  for (let seed = 1; seed <= 10; seed += 1) {
    const report = await run(seed, { fair: true });
    expect(report.violation).toBeUndefined();
    expect(report.stages['quarantined'] ?? 0).toBe(0);
    committed += report.stages['committed'] ?? 0;
  }
  // Short worlds see a change or two, and those may all have failed by themselves.
  expect(committed).toBeGreaterThan(20);
});

describe('a planted bug is found:', () => {
  test.each(Object.entries(BUGS))('%s', { timeout: TIMEOUT_MS }, async (_, bug) => {
    const seeds = Array.from({ length: SEEDS_MAX }, (_seed, index) => index + 1);
    let found: number | undefined;
    for (const seed of bug.seed === undefined ? seeds : [bug.seed, ...seeds]) {
      const { violation } = await run(seed, { bug });
      if (violation === undefined) continue;
      found = seed;
      break;
    }
    expect(found).toBeDefined();
  });
});
