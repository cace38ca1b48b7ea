import { expect, test } from 'vitest';

import { refusal } from '../../src/base/refusal.ts';
import { err } from '../../src/base/result.ts';
import type { SnapshotProperties, StorageDriver } from '../../src/ports/storage.ts';
import { memoryStorage, type MemoryStorage } from '../../src/storage/memory/memory.ts';
import { storageRegistry } from '../../src/storage/registry.ts';
import { valueOf } from '../conformance/storage-ground.ts';

/** A memory backend under another name, which knows only its own datasets. */
function backend(driver: 'btrfs' | 'directory', dataset: string): { driver: StorageDriver; memory: MemoryStorage } {
  const memory = memoryStorage();
  memory.create(dataset);
  const locate: StorageDriver['locate'] = (target) =>
    Promise.resolve(target === dataset ? { ok: true, value: { name: dataset, driver } } : undefined);
  return { memory, driver: { ...memory, driver, locate } };
}

const properties: SnapshotProperties = { mutation: 'm', intent: 'x', node: 'n', mode: 'standard', fence: 1 };
const request = {
  mutation: 'm',
  properties,
  snapshots: ['/b', '/d'].map((dataset) => ({ dataset, name: `${dataset}@PRE` })),
};

test('a mutation across backends is frozen by each its part, in the order asked for', async () => {
  const [one, two] = [backend('btrfs', '/d'), backend('directory', '/b')];
  const registry = storageRegistry([one.driver, two.driver]);
  const taken = await registry.snapshot(request);
  expect(taken.ok && taken.value.map(({ name }) => name)).toEqual(['/b@PRE', '/d@PRE']);
  expect((await one.memory.list()).map(({ name }) => name)).toEqual(['/d@PRE']);
});

test('when one of them refuses, none keeps anything', async () => {
  const [one, two] = [backend('btrfs', '/d'), backend('directory', '/b')];
  const failing = { ...one.driver, snapshot: () => Promise.resolve(err(refusal('low_space', 'full'))) };
  const registry = storageRegistry([failing, two.driver]);
  expect(await registry.snapshot(request)).toMatchObject({ ok: false, error: { code: 'low_space' } });
  expect(await registry.list()).toEqual([]);
});

test('trouble with one hides no refusal of another, and the others discard all the same', async () => {
  const [one, two] = [backend('btrfs', '/d'), backend('directory', '/b')];
  const broken = { ...one.driver, discard: () => Promise.reject(new Error('I/O is suspended')) };
  const full = { ...two.driver, snapshot: () => Promise.resolve(err(refusal('low_space', 'full'))) };
  const registry = storageRegistry([broken, full]);
  expect(await registry.snapshot(request)).toMatchObject({ ok: false, error: { code: 'low_space' } });

  await two.memory.snapshot({ ...request, snapshots: [{ dataset: '/b', name: '/b@PRE' }] });
  await expect(registry.discard('m')).rejects.toThrow('I/O is suspended');
  expect(await two.memory.list()).toEqual([]);
});

test('what is known to belong to one backend is discarded without asking the others', async () => {
  const [one, two] = [backend('btrfs', '/d'), backend('directory', '/b')];
  const broken = { ...one.driver, discard: () => Promise.reject(new Error('I/O is suspended')) };
  const registry = storageRegistry([broken, two.driver]);
  valueOf(await registry.snapshot({ ...request, snapshots: [{ dataset: '/b', name: '/b@PRE' }] }));
  valueOf(await registry.discard('m', new Set(['directory'])));
  expect(await registry.list()).toEqual([]);
});

test('what nobody knows is said to be so', async () => {
  const registry = storageRegistry([backend('btrfs', '/d').driver]);
  expect(await registry.locate('/other')).toBeUndefined();
  expect(await registry.snapshot(request)).toMatchObject({ ok: false, error: { code: 'dataset_unsupported' } });
  expect(await registry.seal('/other', true)).toMatchObject({ ok: false, error: { code: 'dataset_missing' } });
  expect(await registry.plan({ dataset: '/b', driver: 'directory', name: '/b@PRE', guid: '' })).toMatchObject({
    ok: false,
  });
});

test('seal finds the backend by the dataset, destroy by what was stored', async () => {
  const one = backend('btrfs', '/d');
  const registry = storageRegistry([one.driver]);
  expect(await registry.seal('/d', true)).toMatchObject({ ok: true });
  expect(one.memory.isSealed('/d')).toBe(true);
});
