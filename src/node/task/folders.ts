import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';

import { refusal, RefusedError } from '../../base/refusal.ts';
import type { Outcome } from '../../core/task/ending.ts';
import type { Spool } from '../../ports/spool.ts';

/** The folders of a spool. A task goes from one to the next by a rename, and is always in one of them. */
export type Folders = Readonly<Record<'inbox' | 'claimed' | Outcome, string>>;

export function foldersIn(spool: string): Folders {
  const at = (name: string): string => join(spool, name);
  return { inbox: at('inbox'), claimed: at('claimed'), done: at('done'), failed: at('failed'), denied: at('denied') };
}

/**
 * A folder of this host, there from the start. Those of its folders that are there stay as they are, with the permissions somebody gave
 * them. What it lies in is not made: that may be where something will be mounted.
 *
 * @throws RefusedError `spool_missing` when it can be neither found nor made
 */
export function plainSpool(folder: string): Spool {
  try {
    if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
    for (const one of Object.values(foldersIn(folder))) {
      const found = lstatSync(one, { throwIfNoEntry: false });
      if (found === undefined) mkdirSync(one, { mode: 0o700 });
      else if (!found.isDirectory()) throw notAFolder(one);
    }
  } catch (error) {
    throw new RefusedError(
      refusal('spool_missing', `The spool ${folder} cannot be used: ${(error as Error).message}.`),
    );
  }
  return {
    folder,
    get ready() {
      return existsSync(folder);
    },
    onReady: () => undefined,
  };
}

/**
 * Whoever may write to a spool could put a link in the place of one of its folders, and have the node move files of others about.
 *
 * @throws when it is not there, or no folder
 */
export async function assertFolder(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) throw notAFolder(path);
}

/** @throws when it cannot be told: what cannot be looked at just now is not taken for missing */
export async function isThere(path: string | Buffer): Promise<boolean> {
  return (await lstat(path).catch(missing)) !== undefined;
}

/** @throws anything but that it is not there */
export function missing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

function notAFolder(path: string): Error {
  return new Error(`${path} is no folder, but leads elsewhere: take it away`);
}

/** What was renamed in it stays so after a power cut. Where a file system cannot do that for folders, there is nothing to be done. */
export async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await handle.close();
  }
}
