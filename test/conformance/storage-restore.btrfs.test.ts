import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { btrfsStorage } from '../../src/storage/btrfs/btrfs.ts';
import { needs } from '../needs.ts';
import { mounted } from '../storage/real/ground.ts';
import { restoreConformance } from './storage-restore.ts';

let counter = 0;

needs('btrfs').describe('on btrfs', () => {
  restoreConformance('btrfs', () => {
    const disk = mounted('btrfs', 1024);
    return {
      open: () => btrfsStorage({ home: '/nowhere/hauki-restore' }),
      order: { driver: 'btrfs', home: '/nowhere/hauki-restore' },
      folder: () => {
        const path = join(disk.path, `s${++counter}`);
        execFileSync('btrfs', ['-q', 'subvolume', 'create', path]);
        return path;
      },
      nameOf: (folder) => folder,
      outside: join(disk.path, 'outside'),
      close: disk.remove,
    };
  });
});
