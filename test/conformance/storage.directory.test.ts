import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { directoryStorage } from '../../src/storage/directory/directory.ts';
import { fieldAt, temporaryFolder } from '../storage/real/ground.ts';
import { storageConformance } from './storage.ts';

let counter = 0;

storageConformance('directory', () => {
  const folder = temporaryFolder();
  const home = join(folder.path, 'home');
  mkdirSync(home);
  const open = () => directoryStorage({ store: join(home, 'store'), home });
  return {
    storage: open(),
    reopen: open,
    field: () => {
      const path = join(folder.path, `data-${++counter}`);
      mkdirSync(path);
      return fieldAt(path);
    },
    missing: [
      join(folder.path, 'none'),
      'tank/none',
      home,
      join(home, 'store'),
      '/',
      '/proc',
      '/sys/kernel',
      '/etc/passwd',
      '/etc/passwd/x',
      '/a\0b',
    ],
    seals: false,
    close: folder.remove,
  };
});
