import { expect, onTestFinished, test } from 'vitest';

import { zfsStorage } from '../../src/storage/zfs/zfs.ts';
import { needs } from '../needs.ts';
import { fieldAt } from '../storage/real/ground.ts';
import { zpool } from '../storage/real/zpool.ts';
import { freeze, freshMutation, rollbackRequest, valueOf } from './storage-ground.ts';
import { storageConformance } from './storage.ts';

needs('zfs').describe('on zfs', () => {
  storageConformance('zfs', () => {
    const pool = zpool(512);
    const open = () => zfsStorage({ home: `${pool.folder}/home` });
    return {
      storage: open(),
      reopen: open,
      field: () => {
        const { name, path } = pool.filesystem();
        return { ...fieldAt(path), name };
      },
      missing: [`${pool.name}/none`, 'nopool/none', `${pool.path}/plain`, '/proc', `${pool.name}/.hauki`],
      seals: true,
      close: pool.remove,
    };
  });

  test('an older snapshot is gone back to while another dataset is mounted inside', async () => {
    const pool = zpool(512);
    onTestFinished(pool.remove);
    const storage = zfsStorage({ home: `${pool.folder}/home` });
    const { name, path } = pool.filesystem();
    pool.zfs('create', `${name}/child`);
    const [field, child] = [fieldAt(path), fieldAt(`${path}/child`)];
    field.write('a', 'first');
    const [one, two] = [freshMutation(), freshMutation()];
    const first = await freeze(storage, name, one);
    field.write('a', 'second');
    child.write('b', 'its own affair');
    await freeze(storage, name, two);
    valueOf(await storage.rollback(rollbackRequest(first, one)));
    expect([field.read('a'), child.read('b')]).toEqual(['first', 'its own affair']);
  });
});
