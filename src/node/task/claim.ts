import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { lstat, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { DatasetName } from '../../core/dataset.ts';
import { readHeader } from '../../core/task/header.ts';
import { TASK_BYTES_MAX } from '../../core/task/limits.ts';
import { CLAIM, SIGNATURE } from '../../core/task/name.ts';
import { objectIn, replaceFile } from '../heartbeat/file.ts';
import { flushFolder, type Folders } from './folders.ts';
import type { Arrival } from './inbox.ts';

export interface Read {
  readonly bytes: Buffer;
  readonly sha256: string;
  /** What lies beside it as its signature. */
  readonly signature: Buffer | undefined;
}

/**
 * What a waiting task is to change, as far as it says so before it is judged: nothing where it cannot be read, or will be denied.
 *
 * @param own what a task changes that does not say so itself
 */
export async function datasetsOf(
  { path, look }: Arrival,
  own: readonly DatasetName[],
): Promise<readonly DatasetName[]> {
  const read = look === undefined ? undefined : await readPlain(path);
  if (read?.ok !== true) return [];
  const header = readHeader(read.value.bytes.toString('utf8'));
  return header.ok ? (header.value.datasets ?? own) : [];
}

/** Out of the inbox, its signature after it. @returns false when it is not there any more */
export async function takeFrom(folders: Folders, { name, path, misnamed }: Arrival): Promise<boolean> {
  if (!(await moved(path, join(folders.claimed, name)))) return false;
  if (misnamed === undefined)
    await moved(join(folders.inbox, name + SIGNATURE), join(folders.claimed, name + SIGNATURE));
  return true;
}

/** Back to where it came from, to be tried again. @returns false when a newer one of its name is there by now */
export async function putBack(folders: Folders, { name, path }: Arrival): Promise<boolean> {
  const there = await lstat(path).catch(() => undefined);
  if (there !== undefined) return false;
  await moved(join(folders.claimed, name + SIGNATURE), join(folders.inbox, name + SIGNATURE));
  return moved(join(folders.claimed, name), path);
}

/** A claimed task's bytes. @returns `changed` when somebody writes to it still */
export async function readClaimed(
  folders: Folders,
  { name, look }: Arrival,
): Promise<Result<Read | 'changed', Refusal>> {
  const path = join(folders.claimed, name);
  const task = await readPlain(path);
  if (!task.ok) return task;
  const { stats, bytes } = task.value;
  if (look !== undefined && (stats.size !== look.size || stats.mtimeMs !== look.modifiedMs)) return ok('changed');
  // One that is there and cannot be read is no missing one: where unsigned tasks are run, it would not be looked at.
  const isSigned = (await lstat(path + SIGNATURE).catch(missing)) !== undefined;
  const signature = isSigned ? await readPlain(path + SIGNATURE) : undefined;
  if (signature?.ok === false)
    return err(refusal('task_unsigned', `What lies beside it as its signature is none. ${signature.error.message}`));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return ok({ bytes, sha256, signature: signature?.value.bytes });
}

/** Never follows a link, never waits for a writer of a pipe. */
async function readPlain(path: string | Buffer): Promise<Result<{ bytes: Buffer; stats: Stats }, Refusal>> {
  const refuse = (why: string): Result<never, Refusal> =>
    err(refusal('task_invalid', `It cannot be run: ${why}.`, 'Drop a plain file.'));
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => (error as NodeJS.ErrnoException).code ?? String(error),
  );
  if (typeof handle === 'string')
    return refuse(handle === 'ELOOP' ? 'it is a symbolic link' : `it cannot be read (${handle})`);
  try {
    const before = await handle.stat();
    if (!before.isFile()) return refuse('it is no plain file');
    if (before.size > TASK_BYTES_MAX) return refuse(`it has more than ${TASK_BYTES_MAX / 1024 / 1024} MiB`);
    const bytes = await handle.readFile();
    return ok({ bytes, stats: await handle.stat() });
  } finally {
    await handle.close();
  }
}

/** What is remembered of a task whose work is about to begin. */
export interface Claim {
  readonly mutation: string;
  readonly fence: number;
  readonly snapshot: string;
  readonly claimedAt: string;
}

/** Durable before it returns, and so is that the task has left the inbox: from here on it is never run again. */
export async function remember(folders: Folders, name: string, claim: Claim): Promise<void> {
  await replaceFile(join(folders.claimed, name + CLAIM), `${JSON.stringify(claim)}\n`);
  await flushFolder(folders.inbox);
}

export async function recall(folders: Folders, name: string): Promise<Claim | undefined> {
  // What cannot be read just now is not taken for work that had not begun.
  const text = await readFile(join(folders.claimed, name + CLAIM), 'utf8').catch(missing);
  const said = text === undefined ? undefined : objectIn(text);
  return typeof said?.['mutation'] === 'string' ? (said as unknown as Claim) : undefined;
}

/** @throws anything but that it is not there */
function missing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

async function moved(from: string | Buffer, to: string | Buffer): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
