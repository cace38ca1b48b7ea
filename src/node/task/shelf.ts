import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Outcome, TaskResult } from '../../core/task/ending.ts';
import { CLAIM, LOG, RESULT, SIGNATURE } from '../../core/task/name.ts';
import { readObject, replaceFile } from '../heartbeat/file.ts';
import { assertFolder, type Folders, isThere } from './folders.ts';

const OUTCOMES: readonly Outcome[] = ['done', 'failed', 'denied'];
const BESIDE = [SIGNATURE, LOG, CLAIM, RESULT];

/**
 * Ends a claimed task: its result is written where it goes, log and signature follow, then the task itself by one rename. A crash in between
 * leaves a result without its task, which says all there is to know.
 */
export async function shelve(folders: Folders, result: TaskResult): Promise<void> {
  const { task, outcome } = result;
  await assertFolder(folders[outcome]);
  const taken = await isThere(join(folders[outcome], task));
  const name = taken ? `${task}.${stamp(result.claimedAt)}` : task;
  await replaceFile(join(folders[outcome], name + RESULT), `${JSON.stringify(result, undefined, 2)}\n`);
  await move(folders, task, outcome, name);
}

/**
 * Completes what a crash left half-way. A result of another mutation is of an earlier run: somebody moved that one's task away, perhaps back
 * into the inbox. So is one without a mutation that was written before the task was claimed.
 *
 * @param mutation as claimed; undefined: none was begun
 * @returns the result; undefined where there was none
 */
export async function completeShelving(
  folders: Folders,
  task: string,
  mutation: string | undefined,
): Promise<TaskResult | undefined> {
  for (const outcome of OUTCOMES) {
    const path = join(folders[outcome], task + RESULT);
    const result = await readObject(path);
    if (result === undefined || result['mutation'] !== mutation || (await isThere(join(folders[outcome], task))))
      continue;
    if (mutation === undefined && (await isOlder(path, join(folders.claimed, task)))) continue;
    await move(folders, task, outcome, task);
    return result as unknown as TaskResult;
  }
  return undefined;
}

/** What lies claimed: those whose end nobody knows yet. Records of tasks that have gone on are cleared away. */
export async function claimedTasks(folders: Folders): Promise<string[]> {
  await assertFolder(folders.claimed);
  const names = await readdir(folders.claimed);
  const tasks = names.filter((name) => !name.startsWith('.') && !BESIDE.some((end) => name.endsWith(end)));
  for (const name of names) {
    if (name.endsWith(CLAIM) && !tasks.includes(name.slice(0, -CLAIM.length)))
      await rm(join(folders.claimed, name), { force: true });
  }
  return tasks;
}

async function move(folders: Folders, task: string, outcome: Outcome, name: string): Promise<void> {
  const from = join(folders.claimed, task);
  const to = join(folders[outcome], name);
  for (const end of [LOG, SIGNATURE]) await rename(from + end, to + end).catch(ignoreMissing);
  await rename(from, to);
  await rm(from + CLAIM, { force: true });
}

/** Both times are of the spool's own file system, whose clock need not be this machine's. A task's name was changed last by the claim. */
async function isOlder(result: string, claimed: string): Promise<boolean> {
  const [written, taken] = await Promise.all([lstat(result), lstat(claimed)]);
  return written.mtimeMs < taken.ctimeMs;
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** `2026-11-24T16:15:00.123Z` → `20261124_161500_123`, as in the names of snapshots. */
function stamp(iso: string): string {
  return iso.replaceAll(/[-:Z]/g, '').replace('T', '_').replace('.', '_');
}
