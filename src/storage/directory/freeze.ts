import { lstatSync, mkdirSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { byPath, openTree, type OpenedTree } from '../tree/access.ts';
import { apply, ApplyError, everythingOf, REPLACED } from '../tree/apply.ts';
import { compareStrictly, type Difference } from '../tree/compare.ts';
import { copyParts, copyTree, linkTree, removeTree } from '../tree/copy.ts';
import { bytesOf, type Entries, type Entry, type Tree } from '../tree/entry.ts';
import { serializeManifest } from '../tree/manifest.ts';
import { partsOf } from '../tree/parts.ts';
import { scan, ScanError } from '../tree/scan.ts';
import type { Syscalls } from '../tree/syscalls.ts';
import { withXattrs } from '../tree/xattr.ts';
import { isFull, lowSpace, type Reserve } from '../tree/space.ts';
import { bytesFor, canShare } from './space.ts';
import { withForeign } from './stored.ts';

/** A stored tree that the new one may share files with. */
export interface Base extends Tree {
  readonly racySinceMs: number;
}

export interface FreezeRequest {
  /** The live directory. */
  readonly root: string;
  /** Where `tree/` is to be made; not there yet. */
  readonly folder: string;
  readonly base: Base | undefined;
  /** See access.ts. */
  readonly journal: string;
  readonly reserve: Reserve;
  readonly sys: Syscalls;
}

export interface FrozenTree {
  readonly entries: number;
  readonly manifest: Buffer;
  readonly racySinceMs: number;
  readonly unsteady: number;
}

/** Entries with everything known of them, and the same as it is written. */
interface Described {
  readonly entries: Entries;
  readonly manifest: Buffer;
}

/**
 * What a copy is known to be: `certain` when all of it came through directories held open, `by path` when cp went where the
 * paths led it, `broken off` when something went away under it.
 */
type Trust = 'certain' | 'by path' | 'broken off';

/** The kernel's clock ticks every 4 to 10 ms; twice the longest is certain. */
const CLOCK_TICKS_MS = 20;
const ROUNDS_MAX = 3;
const NONE: Entries = new Map();
/** What says that something is not there any more, or something else is: as a symlink, a mount, another's file. */
const WENT_AWAY = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV', REPLACED]);

/**
 * Keeps a copy of a live directory. First it is looked at, then copied, then looked at again: what changed meanwhile is copied
 * once more, until a round finds nothing. Then every file of the copy was what it is during one and the same moment. A directory
 * that somebody writes all the time gets there never; after a few rounds what moves is taken as it is, and counted.
 *
 * The owner of the directory may be nobody to trust: what cp copied is held against what was looked at (see stored.ts).
 *
 * Files unchanged since `base` are not copied but shared with it, as hard links: a second snapshot of 10,000 files takes a
 * third of the time and no space.
 */
export async function freeze(request: FreezeRequest): Promise<Result<FrozenTree, Refusal>> {
  const { root, folder, journal, sys } = request;
  const tree = join(folder, 'tree');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Of the file system's clock, and not of ours, which may be another or an argument.
  const racySinceMs = (await stat(folder)).ctimeMs - CLOCK_TICKS_MS;
  let opened: OpenedTree | undefined;
  try {
    opened = await openTree(root, journal);
    const copied = await copy(request, opened);
    if (!copied.ok) return copied;
    const { described, trust } = copied.value;
    const [unmoved, stored] = await Promise.all([opened.isUnchanged(), storedAs(described.entries, trust)]);
    const unchanged = unmoved && stored === described.entries;
    const steady = unchanged ? { entries: stored, unsteady: 0 } : await settle(opened, stored);
    const ctimes = await opened.close();
    const entries = [...steady.entries.values()].map((entry) => ({
      ...entry,
      ctime: ctimes.get(entry.path) ?? entry.ctime,
    }));
    const manifest = unchanged && ctimes.size === 0 ? described.manifest : await serializeManifest(entries);
    return ok({ manifest, entries: entries.length, racySinceMs, unsteady: steady.unsteady });
  } catch (error) {
    if (!isFull(error) && (error instanceof ScanError || error instanceof ApplyError)) {
      return err(refusal('snapshot_failed', `${root} could not be copied: ${error.message}.`, hintFor(error)));
    }
    throw error;
  } finally {
    await opened?.close();
  }

  async function copy(
    { base, reserve }: FreezeRequest,
    { entries }: OpenedTree,
  ): Promise<Result<{ described: Described; trust: Trust }, Refusal>> {
    const news = base === undefined ? [] : compareStrictly(entries, base.entries, base.racySinceMs).differences;
    // When most of it is new, linking first and replacing then is the long way.
    const shared = base !== undefined && news.length * 2 < entries.size ? base : undefined;
    const changed = new Set(news.map(({ path }) => path));
    const toCopy =
      shared === undefined ? entries.values() : [...entries.values()].filter(({ path }) => changed.has(path));
    const sharing = canShare(root, entries, folder, sys);
    const tight = await lowSpace(folder, bytesFor(entries, sharing ? [] : toCopy), reserve);
    if (tight !== undefined) return err(tight);

    const known = (entry: Entry) =>
      shared === undefined || changed.has(entry.path) ? undefined : shared.entries.get(entry.path)?.xattrs;
    // The manifest is made meanwhile: nearly always it will still be true when the copy is.
    const [described, trust] = await Promise.all([
      describe(entries, known),
      (shared === undefined ? copyWhole(entries) : copyNews(shared, entries, news)).catch(brokenOff),
    ]);
    return ok({ described, trust });
  }

  async function describe(seen: Entries, known: (entry: Entry) => string | undefined): Promise<Described> {
    const entries = await withXattrs(root, seen, sys, known);
    return { entries, manifest: await serializeManifest(entries.values()) };
  }

  async function copyNews(base: Base, entries: Entries, news: readonly Difference[]): Promise<Trust> {
    const linked = await linkTree(base.root, tree);
    if (linked.error === undefined) {
      const target = { root: tree, entries: base.entries };
      await apply({ wanted: { root, entries }, target, differences: news, place: 'store', sys });
      return 'certain';
    }
    // Somebody destroys the base this moment, or one of its files has as many links as a file can have.
    await removeTree(tree);
    return copyWhole(entries);
  }

  async function copyWhole(entries: Entries): Promise<Trust> {
    const live = { root, entries };
    const target = { root: tree, entries: NONE };
    // cp goes into a bind mount of the same file system, which it cannot know from a directory.
    const bounded = [...entries.values()].some(({ boundary }) => boundary);
    if (bounded) {
      mkdirSync(tree, { mode: 0o700 });
      await apply({ wanted: live, target, differences: everythingOf(entries), place: 'store', sys });
      return 'certain';
    }
    const parts = partsOf(entries);
    for (const { path } of parts?.frame ?? []) mkdirSync(pathIn(tree, path), { mode: 0o700 });
    const { error } = parts === undefined ? await copyTree(root, tree) : await copyParts(root, tree, parts.paths);
    // Whatever else cp complains about is missing or different now, and is copied by hand: that works, or says why not.
    if (error !== undefined && isFull(new Error(error))) throw new Error(error);
    if (parts === undefined) return 'by path';
    const differences = parts.frame.map((entry) => ({ path: entry.path, before: entry, after: entry, content: false }));
    await apply({ wanted: live, target, differences, place: 'store', sys });
    return 'by path';
  }

  /** What the store has by now: `entries` themselves when it has copies of all of them, and nothing else. */
  async function storedAs(entries: Entries, trust: Trust): Promise<Entries> {
    if (trust === 'certain') return entries;
    const stored = byPath((await scan(tree)).entries.map((entry) => ({ ...entry, xattrs: '' })));
    return trust === 'by path' ? withForeign(entries, stored) : stored;
  }

  async function settle(opened: OpenedTree, first: Entries): Promise<{ entries: Entries; unsteady: number }> {
    let entries = first;
    for (let round = 1; ; round++) {
      const again = await opened.rescan();
      const { differences } = compareStrictly(again, entries, Number.POSITIVE_INFINITY);
      if (differences.length === 0) return { entries, unsteady: 0 };
      const changed = new Set(differences.map(({ path }) => path));
      const before = entries;
      const target = { root: tree, entries: before };
      entries = await withXattrs(root, again, sys, ({ path }) =>
        changed.has(path) ? undefined : before.get(path)?.xattrs,
      );
      try {
        await apply({ wanted: { root, entries }, target, differences, place: 'store', sys });
      } catch (error) {
        if (round >= ROUNDS_MAX) throw error;
        entries = await storedAs(entries, brokenOff(error));
      }
      if (round >= ROUNDS_MAX) return { entries: asCopied(entries, changed, tree), unsteady: changed.size };
    }
  }
}

/** It went away while it was copied. The copy is in between two states: look at it as it is. */
function brokenOff(error: unknown): Trust {
  if (error instanceof ApplyError && WENT_AWAY.has(error.code ?? '')) return 'broken off';
  throw error;
}

function pathIn(root: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), bytesOf(path)]);
}

/** What would not hold still is described as it was copied, and by a ctime that no file has: it is always compared by content. */
function asCopied(entries: Entries, changed: ReadonlySet<string>, root: string): Entries {
  const result = new Map(entries);
  for (const path of changed) {
    const entry = entries.get(path);
    if (entry?.type !== 'f') continue;
    const { size, blocks } = lstatSync(pathIn(root, path));
    result.set(path, { ...entry, size, blocks, ctime: '0.0' });
  }
  return result;
}

function hintFor(error: Error): string {
  const denied = /Permission denied|EACCES|EPERM/.test(error.message);
  return denied
    ? 'Run the controller as root, or leave out what belongs to others.'
    : 'See the controller\'s log, then "hauki doctor".';
}
