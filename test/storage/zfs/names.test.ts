import { expect, test } from 'vitest';

import {
  datasetOf,
  evidenceDataset,
  isContained,
  isDatasetName,
  isProtected,
  labelOf,
  poolOf,
  scratchDataset,
} from '../../../src/storage/zfs/names.ts';

test('names are taken apart', () => {
  expect([poolOf('tank/a/b@c'), datasetOf('tank/a/b@c'), labelOf('tank/a/b@c')]).toEqual(['tank', 'tank/a/b', '@c']);
  expect(poolOf('tank')).toBe('tank');
});

test('evidence of two datasets, and of two tries, does not meet', () => {
  const names = [
    evidenceDataset('tank/a', '019a', 1),
    evidenceDataset('tank/a', '019a', 2),
    evidenceDataset('tank/b', '019a', 1),
    evidenceDataset('tank/a', '019b', 1),
  ];
  expect(new Set(names).size).toBe(4);
  for (const name of names)
    expect([isContained(name), isProtected(name), name.startsWith('tank/.hauki/')]).toEqual([true, true, true]);
});

test('what a self-test tries things on may be guarded, the rest of hauki’s own not', () => {
  expect([isProtected(scratchDataset('tank', '1')), isProtected('tank/.hauki'), isProtected('tank/.haukix')]).toEqual([
    false,
    true,
    false,
  ]);
});

test.each([
  ['tank', true],
  ['tank/a b/c:d_e-f.g', true],
  ['/tank', false],
  ['tank/', false],
  ['tank//a', false],
  ['tank/a@b', false],
  ['tank/../a', false],
  ['9tank', false],
  ['tänk', false],
  ['tank/a;rm', false],
  [`tank/${'a'.repeat(300)}`, false],
])('%s can be a dataset: %s', (name, expected) => {
  expect(isDatasetName(name)).toBe(expected);
});
