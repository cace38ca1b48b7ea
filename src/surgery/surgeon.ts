import { realpathSync } from 'node:fs';
import { join } from 'node:path';

import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { Folders, refused } from './folders.ts';
import { type Apply, readAlike, reasonOf, withGit } from './git.ts';
import { install, removeEmptyFolders } from './install.ts';
import { type Patch, pathsOf } from './patch.ts';
import { isPatch, readPatch } from './reading.ts';
import { Stage } from './stage.ts';
import { Undo } from './undo.ts';

/*
 * x-surgeon: a unified diff is read, checked against the tree, staged, and applied whole or not at all. docs/surgery.md says what for.
 */

export { isPatch, type Patch, readPatch };

/**
 * Whether it can be applied below `root`, as things are. Changes nothing.
 *
 * @returns `patch_refused` for what a diff may not touch, `patch_mismatch` when it does not fit the files
 */
export function checkPatch(patch: Patch, root: string): Promise<Result<void, Refusal>> {
  return answering(() => inTree(root, (tree, folders) => withGit((apply) => check(patch, tree, folders, apply))));
}

/**
 * Applies it below `root`: afterwards every file is new, or every file is as it was. Killed in the middle it leaves some of each, and the
 * old ones in a folder `.hauki-surgery-…` of the dataset; under a guard the rollback mends that.
 *
 * @param signal stops it, and undoes what was done
 * @returns as `checkPatch`; `patch_failed` when it could not be done, `patch_torn` when it could not be undone either
 */
export function applyPatch(patch: Patch, root: string, signal?: AbortSignal): Promise<Result<void, Refusal>> {
  return answering(() =>
    inTree(root, (tree, folders) =>
      withGit(async (apply) => {
        await check(patch, tree, folders, apply);
        await operate(patch, tree, folders, apply, signal);
      }),
    ),
  );
}

async function check(patch: Patch, tree: string, folders: Folders, apply: Apply): Promise<void> {
  for (const path of pathsOf(patch)) {
    const file = await folders.file(path);
    if (file !== undefined && !isOurs(Number(file.uid), Number(file.gid)))
      throw refused(
        path,
        `it is of user ${file.uid} and group ${file.gid}, and only root could replace it and leave it so`,
      );
  }
  const answer = await apply(patch, tree, ['--check', '--numstat', '-z']);
  if (answer.code !== 0) throw new RefusedError(reasonOf(answer));
  if (!readAlike(patch, answer.stdout))
    throw new RefusedError(refusal('patch_invalid', 'git reads other files or lines in the diff than we do.'));
}

async function operate(
  patch: Patch,
  tree: string,
  folders: Folders,
  apply: Apply,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  const stage = new Stage(tree, folders);
  const undo = new Undo();
  try {
    await stage.fill(patch);
    const answer = await apply(patch, stage.tree, [], signal);
    if (answer.code === 1) throw new RefusedError(reasonOf(answer));
    if (answer.code !== 0) throw new Error(answer.words);
    const changes = await stage.changes(patch);
    await install(patch, changes, { stage, folders, undo, signal });
    await removeEmptyFolders(changes, folders);
  } catch (error) {
    const failed = await undo.run();
    // What could not be put back lies in the stage, and nowhere else.
    if (failed.length > 0) {
      stage.close();
      throw torn(stage, error, failed);
    }
    await stage.remove();
    throw error;
  }
  await stage.remove();
}

async function inTree<T>(root: string, use: (tree: string, folders: Folders) => Promise<T>): Promise<T> {
  const tree = realpathSync(root);
  const folders = new Folders(tree);
  try {
    return await use(tree, folders);
  } finally {
    folders.close();
  }
}

/** Whether a file made by us can have this owner and group. */
function isOurs(uid: number, gid: number): boolean {
  const me = process.geteuid?.();
  return me === 0 || (uid === me && (gid === process.getegid?.() || (process.getgroups?.() ?? []).includes(gid)));
}

async function answering(work: () => Promise<void>): Promise<Result<void, Refusal>> {
  try {
    await work();
    return ok(undefined);
  } catch (error) {
    if (error instanceof RefusedError) return err(error.refusal);
    return err(refusal('patch_failed', `The diff could not be applied: ${wordsOf(error)}.`));
  }
}

function torn(stage: Stage, first: unknown, failed: readonly unknown[]): RefusedError {
  const message = `Applying the diff failed (${wordsOf(first)}), and undoing it too (${wordsOf(failed[0])}); the old files lie in ${join(stage.place, 'old')}.`;
  return new RefusedError(refusal('patch_torn', message, undefined, { stage: stage.place }));
}

function wordsOf(error: unknown): string {
  const words = error instanceof Error ? error.message : String(error);
  return words.replaceAll(/\s+/g, ' ').replace(/\.$/, '').slice(0, 400);
}
