import { join } from 'node:path';

import { zfsStorage } from '../../src/storage/zfs/zfs.ts';
import { needs } from '../needs.ts';
import { zpool } from '../storage/real/zpool.ts';
import { restoreConformance } from './storage-restore.ts';

needs('zfs').describe('on zfs', () => {
  restoreConformance(
    'zfs',
    () => {
      const pool = zpool(1024);
      const home = join(pool.folder, 'home');
      const names = new Map<string, string>();
      return {
        open: () => zfsStorage({ home }),
        order: { driver: 'zfs', home },
        folder: () => {
          const { name, path } = pool.filesystem();
          names.set(path, name);
          return path;
        },
        nameOf: (folder) => names.get(folder) ?? folder,
        outside: join(pool.folder, 'outside'),
        close: pool.remove,
      };
    },
    { byFiles: false },
  );
});
