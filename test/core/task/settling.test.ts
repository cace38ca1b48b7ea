import { describe, expect, test } from 'vitest';

import { isSame, restMs } from '../../../src/core/task/settling.ts';

describe('a file in the inbox', () => {
  test.for([
    ['is empty', { size: 0, modifiedMs: 1, changedMs: 2 }, undefined],
    ['was written in place', { size: 9, modifiedMs: 5, changedMs: 5 }, 'long'],
    ['was renamed after it was written', { size: 9, modifiedMs: 5, changedMs: 6 }, 'short'],
    ['was copied with its times', { size: 9, modifiedMs: 1, changedMs: 6 }, 'short'],
    ['has a time of the future', { size: 9, modifiedMs: 99, changedMs: 6 }, 'long'],
  ] as const)('that %s', ([, look, rest]) => {
    const ms = restMs(look);
    expect(ms === undefined ? undefined : ms > 1_000 ? 'long' : 'short').toBe(rest);
  });

  test('that grows, or is written again, has to rest anew', () => {
    const look = { size: 9, modifiedMs: 5, changedMs: 5 };
    expect(isSame(look, { ...look })).toBe(true);
    for (const other of [{ size: 10 }, { modifiedMs: 6 }, { changedMs: 6 }])
      expect(isSame(look, { ...look, ...other })).toBe(false);
  });
});
