import { constants } from 'node:fs';
import { lstat, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';

import { deviceOf } from '../wire/mountinfo.ts';
import { mountAt } from './mounted.ts';

/** Where a task is: one atomic rename each from one to the next. */
const SPOOL_FOLDERS = ['inbox', 'claimed', 'done', 'failed', 'denied'] as const;

/** A node's folder in a vault, by its mount. */
export function nodeFolder(mount: string, node: string): string {
  return join(mount, 'nodes', node);
}

/**
 * Makes a node's folders in the mounted vault. It goes by the opened root of that very mount: should the vault be gone the next moment,
 * this fails, and nothing is made in the folder it was mounted on.
 *
 * Others may write in the vault: what is there in the place of a folder and leads elsewhere, a symbolic link or another mount, is not
 * gone into.
 *
 * @param device of the mount: `0:52`
 * @throws when the mount is not there, or cannot be written, or a folder is none
 */
export async function layOut(mount: string, device: string, node: string): Promise<void> {
  const root = await open(mount, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    if (deviceOf((await root.stat()).dev) !== device || mountAt(mount)?.device !== device)
      throw new Error(`${mount} is not the vault that was mounted there`);
    for (const folder of ['nodes', join('nodes', node), ...SPOOL_FOLDERS.map((name) => join('nodes', node, name))]) {
      const path = join(`/proc/self/fd/${root.fd}`, folder);
      await mkdir(path, { mode: 0o700 }).catch(ignoreExisting);
      const found = await lstat(path);
      if (!found.isDirectory() || deviceOf(found.dev) !== device)
        throw new Error(`${join(mount, folder)} is no folder of the vault, but leads elsewhere: take it away`);
    }
  } finally {
    await root.close();
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
