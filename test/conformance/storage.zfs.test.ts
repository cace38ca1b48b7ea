import { zfsStorage } from '../../src/storage/zfs/zfs.ts';
import { needs } from '../needs.ts';
import { fieldAt } from '../storage/real/ground.ts';
import { zpool } from '../storage/real/zpool.ts';
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
});
