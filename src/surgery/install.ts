import {
  closeSync,
  constants,
  createReadStream,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  type BigIntStats,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { refusal, RefusedError } from '../base/refusal.ts';
import { inherit } from './attributes.ts';
import { changedMeanwhile, type Folders } from './folders.ts';
import type { Patch } from './patch.ts';
import type { Change, Stage } from './stage.ts';
import type { Undo } from './undo.ts';

/** A change whose new file is ready, on the disk. */
interface Ready extends Change {
  /** Puts the new file in its place; what it needs for that is a rename. */
  readonly move?: (where: string) => unknown;
}

/** Puts the new files of a stage in their places. What has been done when it throws, `undo` takes back. */
export async function install(
  patch: Patch,
  changes: readonly Change[],
  { stage, folders, undo, signal }: { stage: Stage; folders: Folders; undo: Undo; signal: AbortSignal | undefined },
): Promise<void> {
  // Everything that needs space, or a permission, comes first: from then on there are only renames.
  const ready: Ready[] = [];
  for (const change of changes) {
    signal?.throwIfAborted();
    ready.push(await named(change.path, () => prepare(change)));
  }
  for (const [index, change] of ready.entries()) {
    signal?.throwIfAborted();
    await named(change.path, () => replace(change, join(stage.old, String(index))));
  }
  for (const folder of new Set(ready.map(({ path }) => dirname(path)))) await flush(folder);

  async function prepare(change: Change): Promise<Ready> {
    const { path, before, after, executable } = change;
    if (after === 'gone') return change;
    const made = join(stage.tree, path);
    const source = before === undefined ? sourceOf(patch, path) : path;
    const old = before ?? changes.find((one) => one.path === source)?.before;
    await makeFolders(path);
    if (source === undefined || old === undefined) return { ...change, move: await create(path, made, executable) };
    await becomeAs(source, old, made, modeOf(old, executable));
    return { ...change, move: (where) => renameSync(made, where) };
  }

  async function becomeAs(source: string, old: BigIntStats, made: string, mode: number): Promise<void> {
    const stageFolder = openSync(dirname(made), constants.O_RDONLY | constants.O_DIRECTORY);
    // Opened first: afterwards its owner may have no permission to.
    const file = openSync(made, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      await folders.within(source, (_, folder) =>
        inherit({ folder, name: basename(source) }, { folder: stageFolder, name: basename(made) }, old, mode),
      );
      fsyncSync(file);
    } finally {
      closeSync(file);
      closeSync(stageFolder);
    }
  }

  /** A new file is made in its own folder, whose rules for group and ACL then hold for it. */
  async function create(
    path: string,
    made: string,
    executable: boolean | undefined,
  ): Promise<NonNullable<Ready['move']>> {
    const temporary = join(dirname(path), `${basename(stage.place)}-${ready.length}`);
    await folders.within(temporary, async (where) => {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      const file = await open(where, flags, executable ? 0o777 : 0o666);
      undo.add(() => removeIfThere(temporary));
      await pipeline(createReadStream(made), file.createWriteStream({ flush: true }));
    });
    return (where) => folders.within(temporary, (waiting) => renameSync(waiting, where));
  }

  async function replace({ path, before, after, move }: Ready, kept: string): Promise<void> {
    await folders.within(path, async (where) => {
      if (!isSame(lstatSync(where, { bigint: true, throwIfNoEntry: false }), before)) throw changedMeanwhile(path);
      if (before !== undefined && (after === 'gone' || !linked(where, kept))) renameSync(where, kept);
      if (before !== undefined) undo.add(() => folders.within(path, (there) => renameSync(kept, there)));
      else undo.add(() => removeIfThere(path));
      await move?.(where);
    });
  }

  async function removeIfThere(path: string): Promise<void> {
    await folders.within(path, (where) => {
      if (lstatSync(where, { throwIfNoEntry: false }) !== undefined) unlinkSync(where);
    });
  }

  async function makeFolders(path: string): Promise<void> {
    const parts = path.split('/').slice(0, -1);
    for (const index of parts.keys()) {
      const folder = parts.slice(0, index + 1).join('/');
      const made = await folders.within(folder, (where) => {
        if (lstatSync(where, { throwIfNoEntry: false }) !== undefined) return false;
        mkdirSync(where);
        return true;
      });
      if (made) undo.add(() => folders.within(folder, (where) => rmdirSync(where)));
    }
  }

  async function flush(folder: string): Promise<void> {
    await folders.within(folder === '.' ? '.' : `${folder}/.`, (where) => {
      const fd = openSync(where, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    });
  }
}

/** Folders in which nothing is left go with their last file, as with git. */
export async function removeEmptyFolders(changes: readonly Change[], folders: Folders): Promise<void> {
  for (const { path, after } of changes) {
    if (after !== 'gone') continue;
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
      try {
        await folders.within(folder, (where) => rmdirSync(where));
      } catch {
        // It holds something, or is not ours to remove: then it stays.
        break;
      }
    }
  }
}

/** The file that this one was before it was renamed. A copy is a new file of whoever makes it. */
function sourceOf({ touches }: Patch, path: string): string | undefined {
  return touches.findLast((touch) => touch.path === path && touch.kind === 'rename')?.from;
}

/** git knows one bit: whoever may read it may execute it, or nobody. */
function modeOf(old: BigIntStats, executable: boolean | undefined): number {
  const mode = Number(old.mode & 0o7777n);
  if (executable === undefined) return mode;
  return executable ? mode | ((mode & 0o444) >> 2) : mode & ~0o111;
}

function isSame(now: BigIntStats | undefined, before: BigIntStats | undefined): boolean {
  if (now === undefined || before === undefined) return now === before;
  return (
    now.ino === before.ino &&
    now.ctimeNs === before.ctimeNs &&
    now.mtimeNs === before.mtimeNs &&
    now.size === before.size
  );
}

/** Its old content keeps its name in the stage, and the file is never missing. Where links cannot be made, it is for a moment. */
function linked(where: string, kept: string): boolean {
  try {
    linkSync(where, kept);
    return true;
  } catch {
    return false;
  }
}

/** What fails, fails on a file. */
async function named<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof RefusedError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new RefusedError(
      refusal('patch_failed', `${JSON.stringify(path)} cannot be replaced: ${code ?? message}.`, undefined, { path }),
    );
  }
}
