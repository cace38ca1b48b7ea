import { randomBytes } from 'node:crypto';
import { lstat, open, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';

import { refusal, RefusedError } from '../../base/refusal.ts';
import { SIGNATURE } from '../../core/task/name.ts';
import { flushFolder } from './folders.ts';

/** A task that nobody writes to any more. */
export interface Put {
  readonly name: string;
  readonly bytes: Buffer;
  readonly signature: Buffer | undefined;
  /** Of the file it is a copy of; undefined: it was not written just now. */
  readonly modified?: Date;
}

/**
 * A task into an inbox, whole or not at all: under a name that is left alone, flushed; then the signature takes its place, and the task
 * after it.
 *
 * @throws RefusedError `name_taken` when one of its name waits there; `spool_missing` when it cannot be written
 */
export async function putTask(inbox: string, { name, bytes, signature, modified }: Put): Promise<void> {
  const waiting = await lstat(join(inbox, name)).catch(() => undefined);
  if (waiting !== undefined) {
    const hint = 'Wait until it has been taken, or give this one another name: --as NAME.';
    throw new RefusedError(refusal('name_taken', `A task ${name} waits in ${inbox} already.`, hint));
  }
  const draft = join(inbox, `.drop-${randomBytes(8).toString('hex')}`);
  try {
    if (signature !== undefined) {
      await written(draft, signature);
      await rename(draft, join(inbox, name + SIGNATURE));
    }
    await written(draft, bytes);
    // It was not written just now, but before: by that the node knows that it is whole.
    await utimes(draft, new Date(), modified ?? new Date(Date.now() - 1_000));
    await rename(draft, join(inbox, name));
    await flushFolder(inbox);
  } catch (error) {
    await rm(draft, { force: true });
    throw new RefusedError(
      refusal(
        'spool_missing',
        `The task cannot be put into ${inbox}: ${(error as Error).message}.`,
        'Check that the spool is there, and that you may write to its inbox.',
      ),
    );
  }
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
