import { expect, test } from 'vitest';

import { lifeOf } from '../../../web/mutation/life.ts';

test("a mutation's life is its steps, with the time each took", () => {
  const records = [
    { type: 'requested', at: '2026-06-16T16:24:56.000Z' },
    { type: 'snapshot_started', at: '2026-06-16T16:24:56.100Z' },
    { type: 'cleared', at: '2026-06-16T16:24:56.400Z' },
    { type: 'renewed', at: '2026-06-16T16:24:59.000Z' },
    { type: 'committed', at: '2026-06-16T16:25:00.400Z' },
    { type: 'pinned', at: '2026-06-16T16:30:00.000Z' },
  ];
  expect(lifeOf(records).map(({ words, afterMs }) => [words, afterMs])).toEqual([
    ['Asked', 0],
    ['Freezing', 100],
    ['Cleared', 300],
    ['Committed', 4_000],
  ]);
});
