import { randomBytes } from 'node:crypto';
import { link, open, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';

import { refusal, RefusedError } from '../../base/refusal.ts';
import { SIGNATURE } from '../../core/task/name.ts';
import { flushFolder, isThere } from './folders.ts';
import { withName } from './reserve.ts';

/** A task that nobody writes to any more. */
export interface Put {
  readonly name: string;
  readonly bytes: Buffer;
  readonly signature: Buffer | undefined;
  /** Of the file it is a copy of; undefined: it was not written just now. */
  readonly modified?: Date;
}

/** What a file system says that has no hard links, or no more of them. */
const LINKLESS = new Set<unknown>(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK']);

/**
 * A task into an inbox, whole or not at all: under a name that is left alone, flushed; then the signature takes its place, and the task
 * after it.
 *
 * @throws RefusedError `name_taken` when one of its name waits there, or is being put there; `spool_missing` when it cannot be written
 */
export async function putTask(inbox: string, put: Put): Promise<void> {
  const draft = join(inbox, `.drop-${randomBytes(8).toString('hex')}`);
  let isPut: boolean | undefined;
  try {
    await written(draft, put.bytes);
    // It was not written just now, but before: by that the node knows that it is whole.
    await utimes(draft, new Date(), put.modified ?? new Date(Date.now() - 1_000));
    if (put.signature !== undefined) await written(draft + SIGNATURE, put.signature);
    isPut = await withName(inbox, put.name, () => settled(draft, join(inbox, put.name), put.signature !== undefined));
    if (isPut) await flushFolder(inbox);
  } catch (error) {
    throw new RefusedError(
      refusal(
        'spool_missing',
        `The task cannot be put into ${inbox}: ${(error as Error).message}.`,
        'Check that the spool is there, and that you may write to its inbox.',
      ),
    );
  } finally {
    for (const left of [draft, draft + SIGNATURE]) await rm(left, { force: true }).catch(() => undefined);
  }
  if (!isPut) {
    const hint = 'Wait until it has been taken, or give this one another name: --as NAME.';
    throw new RefusedError(refusal('name_taken', `A task ${put.name} waits in ${inbox} already.`, hint));
  }
}

/** @returns false when one of its name is there */
async function settled(draft: string, target: string, isSigned: boolean): Promise<boolean> {
  if (await isThere(target)) return false;
  if (isSigned) await rename(draft + SIGNATURE, target + SIGNATURE);
  if (await placed(draft, target)) return true;
  // Who copies by hand reserves no name. Ours is no signature of that.
  if (isSigned) await rm(target + SIGNATURE, { force: true });
  return false;
}

/** Over nothing that is there: a rename would. */
async function placed(draft: string, target: string): Promise<boolean> {
  try {
    await link(draft, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST' && !LINKLESS.has(code)) throw error;
    // sshfs says EPERM of one that is there, too.
    if (code === 'EEXIST' || (await isThere(target))) return false;
    await rename(draft, target);
  }
  return true;
}

async function written(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o644);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
