import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { temporaryFolder } from './ground.ts';

export interface TestPool {
  readonly name: string;
  /** Where it is mounted. */
  readonly path: string;
  /** A folder that is no part of it. */
  readonly folder: string;
  /** A fresh, empty file system. */
  filesystem(...options: readonly string[]): { readonly name: string; readonly path: string };
  zfs(...args: readonly string[]): string;
  readonly remove: () => void;
}

let counter = 0;

/** A pool of its own on a file. Needs root and OpenZFS. */
export function zpool(megabytes: number): TestPool {
  const folder = temporaryFolder();
  const [image, path] = [join(folder.path, 'image'), join(folder.path, 'pool')];
  const name = `haukitest-${randomUUID().slice(0, 8)}`;
  writeFileSync(image, '');
  truncateSync(image, megabytes * 1024 * 1024);
  mkdirSync(path);
  const zfs = (...args: readonly string[]): string => execFileSync('zfs', args, { encoding: 'utf8' });
  execFileSync('zpool', [
    'create',
    '-O',
    'xattr=sa',
    '-O',
    'acltype=posixacl',
    '-O',
    `mountpoint=${path}`,
    name,
    image,
  ]);
  return {
    name,
    path,
    folder: folder.path,
    filesystem: (...options) => {
      const leaf = `s${++counter}`;
      zfs('create', ...options, `${name}/${leaf}`);
      return { name: `${name}/${leaf}`, path: join(path, leaf) };
    },
    zfs,
    remove: () => {
      execFileSync('zpool', ['destroy', '-f', name]);
      folder.remove();
    },
  };
}
