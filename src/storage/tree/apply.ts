import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from 'node:fs';

import { textOf } from '../../wire/path.ts';
import { Beneath } from './beneath.ts';
import { type Difference, linkGroups } from './compare.ts';
import { copyContent } from './content.ts';
import { bytesOf, depthOf, type Entries, type Entry, type EntryType, parentOf, type Tree } from './entry.ts';
import { Pace } from './pace.ts';
import { errorCode, type Syscalls } from './syscalls.ts';
import { readXattrs, writeXattrs } from './xattr.ts';

/** What the work could not be done on, and why. */
export class ApplyError extends Error {
  override readonly name = 'ApplyError';
  readonly path: string;
  /** errno by name, where a system call said no. */
  readonly code: string | undefined;

  constructor(path: string, doing: string, cause: unknown) {
    super(`${doing} ${textOf(path)}: ${cause instanceof Error ? cause.message.replace(/ '.*$/, '') : String(cause)}`, {
      cause,
    });
    this.path = path;
    this.code = errorCode(cause);
  }
}

/** The code of what cannot be copied, because something of another owner or mode is in its place by now. */
export const REPLACED = 'REPLACED';

class ReplacedError extends Error {
  readonly code = REPLACED;

  constructor() {
    super('something else is in its place by now');
  }
}

export interface Work {
  /** The tree to be like. */
  readonly wanted: Tree;
  /** The tree to change. */
  readonly target: Tree;
  /** Where they differ; `before` is the wanted side. */
  readonly differences: readonly Difference[];
  /**
   * Where the target is. `live`: a file that only has other metadata is mended in place, so its inode stays and whoever has it
   * open keeps it. `store`: its files share inodes with other snapshots, so they are replaced, never altered; and its metadata
   * is for the eye, the manifest holds the true one, so an owner that cannot be set here is no failure.
   */
  readonly place: 'live' | 'store';
  readonly sys: Syscalls;
}

/** Beside the file it replaces, so that the rename is atomic. After a crash it is just another entry that came, and goes. */
const TEMPORARY_PREFIX = '.hauki-new-';
const FILE_TYPE: Readonly<Record<EntryType, number>> = {
  p: 0o010000,
  c: 0o020000,
  d: 0o040000,
  b: 0o060000,
  f: 0o100000,
  l: 0o120000,
  s: 0o140000,
};

/**
 * Makes one tree equal to another at the paths given, and leaves everything else as it is. Can be broken off anywhere: comparing
 * again gives what is left to do. A file changes in one step, from the old to the new one; a directory stays the same inode.
 *
 * @throws ApplyError at the first thing that cannot be done
 */
export async function apply({ wanted, target, differences, place, sys }: Work): Promise<void> {
  const pace = new Pace();
  const from = new Beneath(wanted.root, sys);
  const to = new Beneath(target.root, sys);
  const privileged = process.geteuid?.() === 0;
  const groupOf = linkGroups(wanted.entries);
  /** Names of a hard-linked file → the first of them that is in place. */
  const leaders = new Map<string, string>();
  /** Directories whose metadata must be put right at the end: made, different, opened, or disturbed by work inside. */
  const unsettled = new Map<string, 'all' | 'mode' | 'mtime'>();
  let counter = 0;

  try {
    await each(byDepth(differences), ({ path }) => openParent(path));
    await each(byDepth(differences).toReversed(), removeOld);
    await each(byDepth(differences), makeNew);
    await each(
      [...unsettled.keys()].toSorted((a, b) => depthOf(b) - depthOf(a)),
      settleDirectory,
    );
  } finally {
    from.close();
    to.close();
  }

  async function each<T>(items: readonly T[], work: (item: T) => void | Promise<void>): Promise<void> {
    for (const item of items) {
      await work(item);
      const pause = pace.step();
      if (pause) await pause;
    }
  }

  /** An ordinary user needs the permission to write in a directory, even in his own. */
  function openParent(path: string): void {
    const parent = parentOf(path);
    const held = target.entries.get(parent);
    if (path === '' || held?.type !== 'd') return;
    if (!privileged && (held.mode & 0o300) !== 0o300 && unsettled.get(parent) !== 'mode') {
      attempt(parent, 'open', () => to.handle(parent, (handle) => chmodSync(handle, held.mode | 0o700)));
      unsettled.set(parent, 'mode');
    } else if (!unsettled.has(parent)) unsettled.set(parent, 'mtime');
  }

  /** Clears the way: what is too much, and what is of another kind. Children come before their directory. */
  function removeOld({ path, before, after }: Difference): void {
    if (after === undefined || (before !== undefined && before.type === after.type)) return;
    attempt(path, 'remove', () => {
      if (after.type !== 'd') return unlinkSync(to.at(path));
      to.forget(path);
      unsettled.delete(path);
      rmdirSync(to.at(path));
    });
  }

  async function makeNew({ path, before, after, content }: Difference): Promise<void> {
    if (before === undefined) return;
    const there = after?.type === before.type;
    if (before.type === 'd') {
      if (!there) attempt(path, 'make the directory', () => mkdirSync(to.at(path), 0o700));
      unsettled.set(path, 'all');
    } else if (content || !there || place === 'store') {
      await attempt(path, 'write', () => replace(before));
    } else {
      attempt(path, 'mend', () => setMetadata(before, to.at(path), (set) => to.handle(path, set), 'mend'));
    }
  }

  /** Builds the entry under a temporary name and puts it in its place in one step. */
  async function replace(entry: Entry): Promise<void> {
    const { path } = entry;
    const names = groupOf(entry);
    const leader = names === '' ? undefined : leaders.get(names);
    const folder = parentOf(path);
    const temporary = `${folder === '' ? '' : `${folder}/`}${TEMPORARY_PREFIX}${process.pid}-${counter++}`;
    try {
      if (leader === undefined) await build(entry, temporary);
      else linkSync(to.at(leader), to.at(temporary));
      renameSync(to.at(temporary), to.at(path));
    } catch (error) {
      remove(temporary);
      throw error;
    }
    // rename(2) leaves both names alone when they are links to the same file already.
    if (leader !== undefined) remove(temporary);
    else if (names !== '') leaders.set(names, path);
  }

  async function build(entry: Entry, temporary: string): Promise<void> {
    if (entry.type === 'l') symlinkSync(bytesOf(entry.target), to.at(temporary));
    else if (entry.type === 'f') await buildFile(entry, temporary);
    else sys.mknod(to.at(temporary), FILE_TYPE[entry.type] | 0o600, 'cb'.includes(entry.type) ? deviceOf(entry) : 0);
    setMetadata(entry, to.at(temporary), (set) => to.handle(temporary, set), 'new');
  }

  function deviceOf(entry: Entry): number {
    const stat = lstatSync(from.at(entry.path));
    checkOriginal(entry, stat);
    return stat.rdev;
  }

  async function buildFile(entry: Entry, temporary: string): Promise<void> {
    const source = from.read(entry.path);
    try {
      checkOriginal(entry, fstatSync(source));
      const copy = openSync(to.at(temporary), constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
      try {
        await copyContent(source, copy, pace, sys);
      } finally {
        closeSync(copy);
      }
    } finally {
      closeSync(source);
    }
  }

  /**
   * In a live tree one directory can take the place of another between the look and the copy: its files must not become those
   * of whoever did that. With the same owner and mode they were his to read.
   */
  function checkOriginal(entry: Entry, { uid, gid, mode }: Stats): void {
    if (place === 'live') return;
    const now = { ...entry, mode: mode & 0o7777 };
    if (uid !== entry.uid || gid !== entry.gid || modeFor(now) !== modeFor(entry)) throw new ReplacedError();
  }

  /** Owner before mode, because chown takes setuid away; mode before attributes, because an ACL says more than a mode; mtime last. */
  function setMetadata(
    entry: Entry,
    path: Buffer,
    handle: (set: (path: Buffer) => void) => void,
    how: 'new' | 'mend',
  ): void {
    lenient(() => {
      const now = lstatSync(path);
      if (now.uid !== entry.uid || now.gid !== entry.gid) lchownSync(path, entry.uid, entry.gid);
    });
    if (entry.type !== 'l') handle((opened) => chmodSync(opened, modeFor(entry)));
    const xattrs = entry.xattrs ?? readXattrs(from.at(entry.path), sys);
    if (how === 'mend' || xattrs !== '' || place === 'live') lenient(() => writeXattrs(path, xattrs, sys));
    sys.setMtime(path, entry.mtime);
  }

  /** In a store an ordinary user has to be able to read what he closed to himself. */
  function modeFor({ mode, type }: Entry): number {
    if (place === 'live' || privileged) return mode;
    return mode | (type === 'd' ? 0o500 : 0o400);
  }

  /** What only the manifest can hold in a store, or an ordinary user's copy cannot have. */
  function lenient(set: () => void): void {
    try {
      set();
    } catch (error) {
      if (place === 'live' || !['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'].includes(errorCode(error) ?? ''))
        throw error;
    }
  }

  function settleDirectory(path: string): void {
    const entry = wanted.entries.get(path);
    if (entry === undefined) return;
    const need = unsettled.get(path);
    attempt(path, 'settle', () => {
      if (need === 'all') return setMetadata(entry, to.at(path), (set) => to.handle(path, set), 'mend');
      if (need === 'mode') to.handle(path, (handle) => chmodSync(handle, modeFor(entry)));
      sys.setMtime(to.at(path), entry.mtime);
    });
  }

  function remove(path: string): void {
    try {
      unlinkSync(to.at(path));
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  }
}

/** Runs one step; whatever goes wrong in it says on which path. */
function attempt<T>(path: string, doing: string, step: () => T): T {
  const fail = (error: unknown): never => {
    throw new ApplyError(path, doing, error);
  };
  try {
    const result = step();
    return result instanceof Promise ? (result.catch(fail) as T) : result;
  } catch (error) {
    return fail(error);
  }
}

function byDepth(differences: readonly Difference[]): Difference[] {
  return differences.toSorted((a, b) => depthOf(a.path) - depthOf(b.path));
}

/** Everything of a tree as to be made anew, in a root that is there and empty. */
export function everythingOf(entries: Entries): Difference[] {
  return [...entries.values()].map((entry) => ({
    path: entry.path,
    before: entry,
    after: entry.path === '' ? entry : undefined,
    content: entry.path !== '',
  }));
}
