import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import type { Field } from '../../conformance/storage-ground.ts';

/** A directory's files, reached as its users reach them. */
export function fieldAt(root: string): Field {
  return {
    name: root,
    write: (path, content) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    },
    read: (path) => {
      try {
        return readFileSync(join(root, path), 'utf8');
      } catch {
        return undefined;
      }
    },
    remove: (path) => rmSync(join(root, path), { recursive: true }),
    paths: () =>
      readdirSync(root, { recursive: true, encoding: 'utf8' })
        .filter((path) => statSync(join(root, path)).isFile())
        .toSorted(),
  };
}

export function temporaryFolder(): { path: string; remove: () => void } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'hauki-storage-')));
  const remove = () => {
    // An ordinary user cannot empty a directory he may not write in.
    execFileSync('find', [path, '-type', 'd', '!', '-perm', '-u=rwx', '-exec', 'chmod', 'u+rwx', '{}', ';']);
    execFileSync('rm', ['-rf', path]);
  };
  return { path, remove };
}

/** A file system of its own in a file, mounted over a loop device. Needs root. */
export function mounted(kind: 'btrfs' | 'ext4', megabytes: number): { path: string; remove: () => void } {
  const folder = temporaryFolder();
  const [image, path] = [join(folder.path, 'image'), join(folder.path, 'mnt')];
  writeFileSync(image, '');
  truncateSync(image, megabytes * 1024 * 1024);
  mkdirSync(path);
  execFileSync(`mkfs.${kind}`, ['-q', image], { stdio: 'ignore' });
  execFileSync('mount', ['-o', 'loop', image, path]);
  const remove = () => {
    unmount(path);
    folder.remove();
  };
  return { path, remove };
}

/** Other tests on this machine look into every btrfs file system there is, and keep it busy for a moment. */
function unmount(path: string): void {
  for (let left = 50; ; left--) {
    const { status, stderr } = spawnSync('umount', ['-R', path], { encoding: 'utf8' });
    if (status === 0) return;
    if (left === 0) throw new Error(stderr);
    spawnSync('sleep', ['0.1']);
  }
}
