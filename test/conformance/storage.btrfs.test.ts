import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { btrfsStorage } from '../../src/storage/btrfs/btrfs.ts';
import { needs } from '../needs.ts';
import { fieldAt, mounted } from '../storage/real/ground.ts';
import { storageConformance } from './storage.ts';

let counter = 0;

needs('btrfs').describe('on btrfs', () => {
  storageConformance('btrfs', () => {
    const disk = mounted('btrfs', 512);
    mkdirSync(join(disk.path, 'plain'));
    const open = () =>
      btrfsStorage({ home: '/nowhere/hauki-port', scratchIn: join(disk.path, 'scratch'), reserve: () => 0 });
    return {
      storage: open(),
      reopen: open,
      field: () => {
        const path = join(disk.path, `s${++counter}`);
        execFileSync('btrfs', ['-q', 'subvolume', 'create', path]);
        return fieldAt(path);
      },
      missing: [join(disk.path, 'none'), join(disk.path, 'plain'), 'tank/none', '/proc'],
      seals: true,
      close: disk.remove,
    };
  });
});
