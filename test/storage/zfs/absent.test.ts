import { expect, test } from 'vitest';

import { run } from '../../../src/storage/run.ts';
import type { Commands } from '../../../src/storage/zfs/command.ts';
import { locator } from '../../../src/storage/zfs/locate.ts';
import { Store } from '../../../src/storage/zfs/store.ts';

/** A container that sees its host's /dev/zfs, and has no ZFS programs. */
const absent = {
  zfs: () => run('/nowhere/at/all/zfs', []),
} as unknown as Commands;

test('without the zfs program nothing is kept in any pool', async () => {
  expect(await new Store(absent, '/var/lib/hauki').list()).toEqual([]);
});

test('and no name is one of ZFS', async () => {
  expect(await locator('/var/lib/hauki', absent)('tank/crm')).toBeUndefined();
});

test('whatever else keeps it from being asked is told', async () => {
  const failing = { zfs: () => Promise.reject(new Error('spawn EAGAIN')) } as unknown as Commands;
  await expect(new Store(failing, '/var/lib/hauki').list()).rejects.toThrow('EAGAIN');
  await expect(locator('/var/lib/hauki', failing)('tank/crm')).rejects.toThrow('EAGAIN');
});
