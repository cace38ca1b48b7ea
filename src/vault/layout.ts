import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
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
 * @param device of the mount: `0:52`
 * @throws when the mount is not there, or cannot be written
 */
export async function layOut(mount: string, device: string, node: string): Promise<void> {
  const root = await open(mount, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    if (deviceOf((await root.stat()).dev) !== device || mountAt(mount)?.device !== device)
      throw new Error(`${mount} is not the vault that was mounted there`);
    for (const folder of SPOOL_FOLDERS)
      await mkdir(nodeFolder(`/proc/self/fd/${root.fd}`, join(node, folder)), { recursive: true, mode: 0o700 });
  } finally {
    await root.close();
  }
}
