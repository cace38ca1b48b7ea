import { mkdir } from 'node:fs/promises';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { DatasetName } from '../../core/dataset.ts';
import type { RollbackPlan } from '../../ports/storage.ts';
import { textOf } from '../../wire/path.ts';
import { openTree } from './access.ts';
import { apply, ApplyError } from './apply.ts';
import { changesOf, type Comparison, type Difference } from './compare.ts';
import type { Entry, Tree } from './entry.ts';
import { holdersOf } from './holders.ts';
import { differencesOf } from './look.ts';
import { ScanError } from './scan.ts';
import { syncFileSystem } from './sync.ts';
import { errorCode, type Syscalls } from './syscalls.ts';

/** A frozen tree and the live directory it is a state of. */
export interface Restoration {
  readonly dataset: DatasetName;
  readonly frozen: Tree;
  readonly racySinceMs: number;
  /** See access.ts. */
  readonly journal: string;
  /** See scan.ts. */
  readonly exclude?: readonly string[];
  readonly sys: Syscalls;
}

const PATHS_SHOWN_MAX = 20;

/**
 * Puts a live directory back to a frozen tree, in place: its own inode and those of everything unchanged stay, so that bind
 * mounts of it, containers that have it as a disk device, and shells standing in it go on working. Then looks whether it is so.
 * Broken off anywhere, a second call does the rest.
 */
export async function restore(of: Restoration): Promise<Result<void, Refusal>> {
  const { dataset, frozen, sys } = of;
  return refusing(dataset, async () => {
    const first = await compareLive<Result<void, Refusal>>(of, async (compared, live, spare) => {
      if (compared.obstructions.length > 0) return err(obstructed(dataset, compared.obstructions));
      spare(compared.differences.map(({ path }) => path));
      await apply({ wanted: frozen, target: live, differences: compared.differences, place: 'live', sys });
      return ok(undefined);
    });
    if (!first.ok) return first;
    await syncFileSystem(dataset, sys);
    const rest = await compareLive(of, ({ differences }) => Promise.resolve(differences));
    return rest.length === 0 ? ok(undefined) : err(unverified(dataset, rest));
  });
}

/** What `restore` would meet. Changes nothing that stays. */
export async function planRestore(
  of: Restoration,
  snapshot: string,
  keep: string,
): Promise<Result<RollbackPlan, Refusal>> {
  const { dataset } = of;
  return refusing(dataset, () =>
    compareLive(of, async ({ differences, obstructions }) => {
      const changes = changesOf(differences);
      const { holders, hidden } = await holdersOf(dataset);
      const blockers = obstructions.map(({ path, ino }) => ({
        kind: ino === '256' ? 'subvolume' : 'mount',
        name: `${dataset}/${textOf(path)}`,
        why: 'It was not there when the snapshot was taken: what it covers cannot be compared, and hauki removes no mount and no subvolume.',
      }));
      const unseen = hidden === 0 ? '' : `; ${hidden} processes belong to others and could not be looked into`;
      const steps = [
        `${holders.length === 0 ? 'no process has files open in' : `${new Set(holders.map(({ pid }) => pid)).size} processes have files open in`} ${dataset}${unseen}`,
        keep,
        `remove ${changes.added.length}, restore ${changes.removed.length} and put back ${changes.modified.length} entries of ${dataset}, in place`,
        'compare everything with the snapshot',
      ];
      const openFiles = holders.map(({ pid, command, path }) => ({ pid, command, path }));
      return ok({ dataset, snapshot, changes, openFiles, blockers, steps });
    }),
  );
}

/** Compares the frozen tree with the live one, and lets `use` work on it while everything in it can be read. */
export async function compareLive<T>(
  { dataset, frozen, racySinceMs, journal, exclude, sys }: Restoration,
  use: (compared: Comparison, live: Tree, spare: (paths: Iterable<string>) => void) => Promise<T>,
): Promise<T> {
  const opened = await openTree(dataset, journal, { exclude });
  try {
    const live = { root: dataset, entries: opened.entries };
    return await use(await differencesOf(frozen, live, racySinceMs, sys), live, (paths) => opened.spare(paths));
  } finally {
    await opened.close();
  }
}

/** The mutation may have removed the directory itself. A new one in its place is the best that can be had then. */
export async function makeRoot(dataset: DatasetName): Promise<void> {
  try {
    await mkdir(dataset, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw new ApplyError('', 'make the directory', error);
  }
}

/** Turns what cannot be done into a refusal that says what to do about it. A defect stays a throw. */
export async function refusing<T>(
  dataset: DatasetName,
  work: () => Promise<Result<T, Refusal>>,
): Promise<Result<T, Refusal>> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApplyError) && !(error instanceof ScanError)) throw error;
    const advice = error instanceof ApplyError ? ADVICE[error.code ?? ''] : undefined;
    const evidence = error instanceof ApplyError ? { path: textOf(error.path), errno: error.code ?? null } : undefined;
    return err(
      refusal(
        'rollback_failed',
        `${dataset} is not put back: ${error.message}.${advice === undefined ? '' : ` ${advice}`}`,
        undefined,
        evidence,
      ),
    );
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  EPERM:
    'The entry may be immutable: "lsattr" shows it, "chattr -ia" lifts it; as an ordinary user hauki cannot restore what belongs to others.',
  EACCES: 'hauki runs as a user who may not do this; run the controller as root.',
  EROFS: 'The file system is read-only: remount it writable, or lift the seal.',
  ENOSPC: 'The file system is full: free space on it.',
  EDQUOT: 'The quota is used up: free space, or raise it.',
  EBUSY: 'Something is mounted there: unmount it.',
  ENOTEMPTY: 'Something was created there meanwhile: stop whoever writes.',
  ENOENT: 'Something was removed there meanwhile: stop whoever writes.',
  EXDEV: 'A mount appeared there: unmount it.',
  ELOOP: 'A symlink was put there meanwhile: stop whoever writes.',
};

function unverified(dataset: DatasetName, rest: readonly Difference[]): Refusal {
  const paths = rest.map(({ path }) => textOf(path)).toSorted();
  const shown = paths.slice(0, 3).join(', ');
  const message = `After the rollback ${dataset} differs from the snapshot in ${paths.length} paths (${shown}).`;
  return refusal('rollback_unverified', message, undefined, { paths: paths.slice(0, PATHS_SHOWN_MAX) });
}

function obstructed(dataset: DatasetName, obstructions: readonly Entry[]): Refusal {
  const paths = obstructions.map(({ path }) => textOf(path));
  return refusal(
    'rollback_failed',
    `${dataset} is not put back: ${paths.join(', ')} became a mount or a subvolume after the snapshot, and hauki removes neither.`,
    'Unmount or delete it, then "hauki resolve M --rollback".',
    { paths },
  );
}
