import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { DatasetName } from '../../core/dataset.ts';
import { type Queued, queuedAs } from '../../core/task/lanes.ts';
import { TASK_BYTES_MAX } from '../../core/task/limits.ts';
import { CLAIM, SIGNATURE } from '../../core/task/name.ts';
import { objectIn, replaceFile } from '../heartbeat/file.ts';
import { assertFolder, flushFolder, type Folders, isThere, missing } from './folders.ts';
import type { Arrival } from './inbox.ts';
import { withName } from './reserve.ts';

export interface Read {
  readonly bytes: Buffer;
  readonly sha256: string;
  /** What lies beside it as its signature. */
  readonly signature: Buffer | undefined;
}

/** Of a task's text, so many bytes are enough to know what it is to change. */
const BEGINNING_BYTES = 64 * 1024;

/** What a waiting task is to change, as far as it says so before it is judged: nothing where it cannot be read, which will deny it. */
export async function queuedOf({ name, path, look }: Arrival, own: readonly DatasetName[]): Promise<Queued> {
  // What cannot be read just now, or is gone, is not to run beside anything; it is looked at again.
  const read = look === undefined ? undefined : await readPlain(path, BEGINNING_BYTES).catch(() => 'later' as const);
  if (read === 'later') return { name, datasets: [], alone: true };
  if (read?.ok !== true) return { name, datasets: [], alone: false };
  const { bytes, stats } = read.value;
  return queuedAs(name, bytes.toString('utf8'), bytes.length >= stats.size, own);
}

/**
 * Out of the inbox, its signature after it.
 *
 * @returns false when it is not there any more
 * @throws when the spool is not there
 */
export async function takeFrom(folders: Folders, { name, path, misnamed }: Arrival): Promise<boolean> {
  await lookAtBoth(folders);
  if (!(await moved(path, join(folders.claimed, name)))) {
    await lookAtBoth(folders);
    return false;
  }
  if (misnamed !== undefined) return true;
  const isSigned = await moved(join(folders.inbox, name + SIGNATURE), join(folders.claimed, name + SIGNATURE));
  // A spool that is gone has no signatures either.
  if (!isSigned) await lstat(folders.inbox);
  return true;
}

/**
 * Back to where it came from, to be tried again.
 *
 * @returns `newer` when one of its name is there by now, `gone` when it does not lie claimed
 * @throws when the spool is not there, or one of its name is being dropped just now
 */
export async function putBack(folders: Folders, { name, path }: Arrival): Promise<'back' | 'newer' | 'gone'> {
  const claimed = join(folders.claimed, name);
  if (!(await isThere(claimed))) {
    await lookAtBoth(folders);
    return 'gone';
  }
  const back = await withName(folders.inbox, name, async () => {
    if (await isThere(path)) return 'newer';
    await moved(claimed + SIGNATURE, join(folders.inbox, name + SIGNATURE));
    await rm(claimed + CLAIM, { force: true });
    return (await moved(claimed, path)) ? 'back' : 'gone';
  });
  if (back === undefined) throw new Error(`another task ${name} is being put into ${folders.inbox}`);
  if (back === 'gone') await lookAtBoth(folders);
  return back;
}

/** @throws when the spool is not there: then nothing follows from a file that is not */
async function lookAtBoth({ inbox, claimed }: Folders): Promise<void> {
  await assertFolder(inbox);
  await assertFolder(claimed);
}

/** @throws when nothing can be written into the spool */
export async function probe({ claimed }: Folders): Promise<void> {
  const draft = join(claimed, '.probe');
  await replaceFile(draft, `${' '.repeat(4_096)}\n`);
  await rm(draft, { force: true });
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
  const isSigned = await isThere(path + SIGNATURE);
  if (!isSigned) await lstat(path);
  const signature = isSigned ? await readPlain(path + SIGNATURE) : undefined;
  if (signature?.ok === false)
    return err(refusal('task_unsigned', `What lies beside it as its signature is none. ${signature.error.message}`));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return ok({ bytes, sha256, signature: signature?.value.bytes });
}

/** What says of a file that it cannot be run. All else says that the spool cannot be used just now. */
const UNREADABLE: Readonly<Record<string, string>> = {
  ELOOP: 'it is a symbolic link',
  ENXIO: 'it is no plain file',
  ...Object.fromEntries(
    ['EACCES', 'EPERM', 'EIO', 'EBADMSG', 'EUCLEAN'].map((code) => [code, `it cannot be read (${code})`]),
  ),
};

type Plain = Result<{ readonly bytes: Buffer; readonly stats: Stats }, Refusal>;

/**
 * Never follows a link, never waits for a writer of a pipe.
 *
 * @param most so many bytes of it
 * @throws when it is not the file's fault
 */
async function readPlain(path: string | Buffer, most = Infinity): Promise<Plain> {
  try {
    return await read(path, most);
  } catch (error) {
    const why = UNREADABLE[(error as NodeJS.ErrnoException).code ?? ''];
    if (why === undefined) throw error;
    // The same is said of every file of a file system that is gone.
    await lstat(dirname(path.toString()));
    return unfit(why);
  }
}

async function read(path: string | Buffer, most: number): Promise<Plain> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const before = await handle.stat();
    if (!before.isFile()) return unfit('it is no plain file');
    if (before.size > TASK_BYTES_MAX) return unfit(`it has more than ${TASK_BYTES_MAX / 1024 / 1024} MiB`);
    const bytes = before.size > most ? await beginningOf(handle, most) : await handle.readFile();
    return ok({ bytes, stats: await handle.stat() });
  } finally {
    await handle.close();
  }
}

function unfit(why: string): Plain {
  return err(refusal('task_invalid', `It cannot be run: ${why}.`, 'Drop a plain file.'));
}

async function beginningOf(handle: FileHandle, most: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(most), 0, most, 0);
  return buffer.subarray(0, bytesRead);
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

async function moved(from: string | Buffer, to: string | Buffer): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
