import { describe, expect, test } from 'vitest';

import { floorsOf } from '../../../src/core/snapshot/floor.ts';
import { evidenceName, namedAt, snapshotName } from '../../../src/core/snapshot/name.ts';
import { T0 } from '../story.ts';

const named = snapshotName({ dataset: '/srv/site', node: 'n', intent: 'deploy x', at: T0 + 7 });
const NAME = named.ok ? named.value : '';

describe('the time in a name', () => {
  test.each([
    [NAME, T0 + 7],
    [evidenceName(NAME, 1), T0 + 7],
    [evidenceName(NAME, 12), T0 + 7],
    ['/srv/site@PRE_n_x_20261399_000000_000', undefined],
    ['/srv/site@daily', undefined],
    ['', undefined],
  ])('of %s', (name, at) => {
    expect(namedAt(name)).toBe(at);
  });
});

describe('what a new ledger begins above', () => {
  const trace = { name: NAME, fence: 3, createdAt: T0 };

  test.each([
    ['nothing', [], 0, 0],
    ['the highest fence', [trace, { ...trace, fence: 9 }, { ...trace, fence: 4 }], 9, T0 + 7],
    ['the time of the snapshot, when it is later than its name', [{ ...trace, createdAt: T0 + 900 }], 3, T0 + 900],
    ['a fence that is none is passed over', [trace, { ...trace, fence: Number.NaN }], 3, T0 + 7],
    ['so is one that nobody ever counted to', [trace, { ...trace, fence: 2 ** 52 }], 3, T0 + 7],
    ['so is one below zero', [{ ...trace, fence: -1 }], 0, T0 + 7],
    ['a time that is none is passed over', [{ ...trace, createdAt: Number.NaN }], 3, 0],
    [
      'a name from the far future is not believed',
      [{ ...trace, name: '/a@PRE_n_x_99991231_235959_999' }],
      3,
      T0 + 86_400_000,
    ],
  ] as const)('%s', (_, traces, fence, at) => {
    expect(floorsOf(traces)).toEqual({ fence, namedAt: at });
  });
});
