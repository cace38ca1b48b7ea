import { chmod, lstat, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import { bytesOf, depthOf, type Entries, type Entry } from './entry.ts';
import { scan, scanDigest, type ScanOptions } from './scan.ts';
import { errorCode } from './syscalls.ts';

/** A tree that can be read to its last corner, until `close`. */
export interface OpenedTree {
  /** As they are without hauki's hand in it: the modes are the owner's own. */
  readonly entries: Entries;
  /** Looks again, modes as in `entries`. */
  rescan(): Promise<Entries>;
  /** Whether a look now sees what the last one saw, to the last figure. */
  isUnchanged(): Promise<boolean>;
  /** Leaves the mode of these paths as it is by now: whoever works on the tree has set it. */
  spare(paths: Iterable<string>): void;
  /** Closes again what was opened; once is enough. @returns the new ctime of each such path */
  close(): Promise<ReadonlyMap<string, string>>;
}

interface Closed {
  readonly path: string;
  readonly mode: number;
}

/**
 * Scans a tree, and makes it readable where its owner has closed it to himself (mode 000): the superuser reads such an entry as
 * it is, an ordinary user has to give himself the permission for a while. What is opened is written to a journal first, so that
 * after a crash the next call for this tree closes it again.
 *
 * @param journal a file for this tree alone; calls for the same one wait for each other
 */
export async function openTree(root: string, journal: string, options: ScanOptions = {}): Promise<OpenedTree> {
  const user = process.geteuid?.() ?? 0;
  let last = '';
  const look = async (): Promise<Map<string, Entry>> => {
    const { entries, digest } = await scan(root, options);
    last = digest;
    return byPath(entries);
  };
  const isUnchanged = async (): Promise<boolean> => (await scanDigest(root, options)) === last;
  if (user === 0) {
    return {
      entries: await look(),
      rescan: look,
      isUnchanged,
      spare: () => undefined,
      close: () => Promise.resolve(new Map()),
    };
  }

  const leave = await enter(journal);
  const opened = new Map<string, Closed>();
  let left = false;
  try {
    await closeAll(root, await readJournal(journal));
    await rm(journal, { force: true });
    for (;;) {
      const { entries } = await scan(root, { ...options, tolerant: true });
      const closed = entries.filter((entry) => isClosed(entry, user) && !opened.has(entry.path));
      if (closed.length === 0) break;
      await writeJournal(journal, closed);
      for (const { path, mode, type } of closed) {
        opened.set(path, { path, mode });
        await chmod(pathOf(root, path), mode | opening(type));
      }
    }
    // Once more, so that what is closed for other reasons (it belongs to somebody else) is complained about.
    return { entries: await rescan(), rescan, isUnchanged, spare: (paths) => spare(opened, paths), close };
  } catch (error) {
    await close();
    throw error;
  }

  async function rescan(): Promise<Entries> {
    const entries = await look();
    for (const { path, mode } of opened.values()) {
      const entry = entries.get(path);
      if (entry !== undefined) entries.set(path, { ...entry, mode });
    }
    return entries;
  }

  async function close(): Promise<ReadonlyMap<string, string>> {
    // The journal may be that of whoever came next by now.
    if (left) return new Map();
    left = true;
    try {
      const ctimes = await closeAll(root, [...opened.values()]);
      await rm(journal, { force: true });
      opened.clear();
      return ctimes;
    } finally {
      leave();
    }
  }
}

/** The last user of each tree that is open, by its journal. */
const inUse = new Map<string, Promise<void>>();

/** Waits until nobody else has the tree open. @returns what lets the next one in */
async function enter(journal: string): Promise<() => void> {
  const before = inUse.get(journal);
  let leave: () => void = () => undefined;
  const mine = new Promise<void>((resolve) => {
    leave = resolve;
  });
  inUse.set(journal, mine);
  await before;
  return leave;
}

function spare(opened: Map<string, Closed>, paths: Iterable<string>): void {
  for (const path of paths) opened.delete(path);
}

function isClosed({ type, mode, uid, boundary }: Entry, user: number): boolean {
  if (uid !== user || boundary || (type !== 'f' && type !== 'd')) return false;
  return (mode & opening(type)) !== opening(type);
}

function opening(type: Entry['type']): number {
  return type === 'd' ? 0o500 : 0o400;
}

/** Children before their directories, whose closing would hide them. */
async function closeAll(root: string, closed: readonly Closed[]): Promise<Map<string, string>> {
  const ctimes = new Map<string, string>();
  for (const { path, mode } of closed.toSorted((a, b) => depthOf(b.path) - depthOf(a.path))) {
    const where = pathOf(root, path);
    try {
      const now = await lstat(where);
      const opened = mode | opening(now.isDirectory() ? 'd' : 'f');
      if (now.isSymbolicLink() || (now.mode & 0o7777) !== opened) continue;
      await chmod(where, mode);
      const { ctimeNs } = await lstat(where, { bigint: true });
      // As find prints it, with the digit it adds behind the nanoseconds.
      ctimes.set(path, `${ctimeNs / 1_000_000_000n}.${String(ctimeNs % 1_000_000_000n).padStart(9, '0')}0`);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  }
  return ctimes;
}

async function readJournal(journal: string): Promise<Closed[]> {
  try {
    const lines = (await readFile(journal, 'utf8')).split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Closed);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function writeJournal(journal: string, closed: readonly Entry[]): Promise<void> {
  await mkdir(dirname(journal), { recursive: true, mode: 0o700 });
  const file = await open(journal, 'a', 0o600);
  try {
    await file.write(closed.map(({ path, mode }) => `${JSON.stringify({ path, mode })}\n`).join(''));
    await file.sync();
  } finally {
    await file.close();
  }
}

function pathOf(root: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), bytesOf(path)]);
}

export function byPath(entries: readonly Entry[]): Map<string, Entry> {
  return new Map(entries.map((entry) => [entry.path, entry]));
}
