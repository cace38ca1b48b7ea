import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { directoryStorage } from '../../src/storage/directory/directory.ts';
import { temporaryFolder } from '../storage/real/ground.ts';
import { restoreConformance } from './storage-restore.ts';

let counter = 0;

restoreConformance('directory', () => {
  const ground = temporaryFolder();
  const home = join(ground.path, 'home');
  mkdirSync(home);
  return {
    open: () => directoryStorage({ store: join(home, 'store'), home }),
    order: { driver: 'directory', home },
    nameOf: (folder) => folder,
    folder: () => {
      const path = join(ground.path, `data-${++counter}`);
      mkdirSync(path);
      return path;
    },
    outside: join(ground.path, 'outside'),
    close: ground.remove,
  };
});
