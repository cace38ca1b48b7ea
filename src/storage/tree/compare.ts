import { type Entries, type Entry, parentOf } from './entry.ts';
import type { Changes } from '../../ports/storage.ts';
import { textOf } from '../../wire/path.ts';

/** One path that is not the same in two trees. An absent side means that there is nothing at that path. */
export interface Difference {
  readonly path: string;
  readonly before?: Entry | undefined;
  readonly after?: Entry | undefined;
  /** What is in it differs: the type, the bytes, the link's target, or which other names it has (hard links). */
  readonly content: boolean;
  /** A directory that only has another mtime because something in it came, went or was replaced: no news to anybody. */
  readonly echo?: true;
}

/** Two entries that the kernel's figures can neither call equal nor different: somebody has to look into them. */
export interface Doubt {
  readonly before: Entry;
  readonly after: Entry;
  /** Mode, owner or mtime are known to differ. */
  readonly metadata: boolean;
  /** Whether the bytes may differ, beside the extended attributes. */
  readonly content: boolean;
}

export interface Comparison {
  readonly differences: readonly Difference[];
  readonly doubts: readonly Doubt[];
  /** Boundaries of `after` that cover or stand where `before` had something else: nothing can be said or done there. */
  readonly obstructions: readonly Entry[];
}

/**
 * Compares what two scans saw. An entry is unchanged when type, inode, size, mode, owner, mtime and ctime are equal: the kernel
 * sets ctime at every change, and nobody can set it back.
 *
 * But its clock ticks in steps of 4 to 10 ms. A file written just before the first scan can be written again within the same tick
 * and look the same: entries whose ctime is not older than `racySinceMs` are doubtful ("racy", as git calls it in its index).
 *
 * @param racySinceMs wall clock of the first scan less a few ticks, ms since the epoch
 */
export function compare(before: Entries, after: Entries, racySinceMs: number): Comparison {
  const differences: Difference[] = [];
  const doubts: Doubt[] = [];
  const sameNames = linkComparison(before, after);
  const { beyond, obstructions } = boundaries(before, after);

  for (const [path, old] of before) {
    if (beyond(path)) continue;
    const now = after.get(path);
    if (now === undefined) differences.push({ path, before: old, content: true });
    else judge(old, now);
  }
  for (const [path, now] of after) {
    if (!before.has(path) && !beyond(path)) differences.push({ path, after: now, content: true });
  }
  return { differences, doubts, obstructions };

  function judge(old: Entry, now: Entry): void {
    const { path } = old;
    const different = (content: boolean) => void differences.push({ path, before: old, after: now, content });
    if (old.type !== now.type || old.target !== now.target) return different(true);
    const metadata = old.mode !== now.mode || old.uid !== now.uid || old.gid !== now.gid || old.mtime !== now.mtime;
    if (old.type === 'f' && (old.size !== now.size || old.mtime !== now.mtime)) return different(true);
    if (old.type !== 'd' && !sameNames(old, now)) return different(true);
    const untouched = old.ino === now.ino && old.ctime === now.ctime && Number(old.ctime) * 1000 < racySinceMs;
    if (untouched) return metadata ? different(false) : undefined;
    // A symlink and a FIFO are nothing but their metadata and target; a device is also its number.
    return void doubts.push({ before: old, after: now, metadata, content: 'fcb'.includes(old.type) });
  }
}

/** Whether two scans saw the very same, to the last figure. What differs in any of them counts as different in content. */
export function compareStrictly(before: Entries, after: Entries, racySinceMs: number): Comparison {
  const { differences, doubts, obstructions } = compare(before, after, racySinceMs);
  const more = doubts.map((doubt) => ({
    path: doubt.before.path,
    before: doubt.before,
    after: doubt.after,
    content: true,
  }));
  return { differences: [...differences, ...more], doubts: [], obstructions };
}

/** The same differences, looked at from the other side. */
export function reversed(differences: readonly Difference[]): Difference[] {
  return differences.map(({ before, after, ...rest }) => ({ ...rest, before: after, after: before }));
}

/** Marks the directories whose mtime is all that differs, and only because of another difference right inside. */
export function withEchoes(differences: readonly Difference[]): Difference[] {
  const disturbed = new Set(differences.filter(({ content }) => content).map(({ path }) => parentOf(path)));
  return differences.map((difference) => {
    const { path, before, after, content } = difference;
    if (content || before?.type !== 'd' || after === undefined || !disturbed.has(path)) return difference;
    const same =
      before.mode === after.mode && before.uid === after.uid && before.gid === after.gid && sameXattrs(before, after);
    return same ? { ...difference, echo: true } : difference;
  });
}

/** The differences as people and machines read them. */
export function changesOf(differences: readonly Difference[]): Changes {
  const paths = (wanted: (difference: Difference) => boolean) =>
    differences
      .filter(wanted)
      .map(({ path }) => textOf(path))
      .toSorted();
  return {
    added: paths(({ before }) => before === undefined),
    modified: paths(({ before, after, echo }) => before !== undefined && after !== undefined && !echo),
    removed: paths(({ after }) => after === undefined),
  };
}

export function sameXattrs(before: Entry, after: Entry): boolean {
  return before.xattrs === undefined || after.xattrs === undefined || before.xattrs === after.xattrs;
}

/**
 * Hard links: several names of one file. Two trees agree on a path when the set of names that share its file is the same. Links
 * from outside the tree are nobody's business here.
 */
function linkComparison(before: Entries, after: Entries): (old: Entry, now: Entry) => boolean {
  const [old, now] = [linkGroups(before), linkGroups(after)];
  return (a, b) => old(a) === now(b);
}

/** For each entry the names of its file, as one text; '' when it has one name in this tree. */
export function linkGroups(entries: Entries): (entry: Entry) => string {
  const groups = new Map<string, string[]>();
  for (const { path, nlink, type, dev, ino, boundary } of entries.values()) {
    if (nlink < 2 || type === 'd' || boundary) continue;
    const key = `${dev}:${ino}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [path]);
    else group.push(path);
  }
  const joined = new Map<string, string>();
  for (const [key, group] of groups) if (group.length > 1) joined.set(key, group.toSorted().join('\0'));
  return ({ dev, ino, nlink }) => (nlink < 2 ? '' : (joined.get(`${dev}:${ino}`) ?? ''));
}

/**
 * A mount or subvolume inside the tree is the end of it. What one scan saw where the other saw a boundary cannot be compared,
 * because it lies underneath, or was never frozen.
 */
function boundaries(before: Entries, after: Entries): { beyond: (path: string) => boolean; obstructions: Entry[] } {
  const edges = new Set<string>();
  const obstructions: Entry[] = [];
  for (const [path, now] of after) {
    if (!now.boundary) continue;
    edges.add(path);
    if (!before.get(path)?.boundary) obstructions.push(now);
  }
  for (const [path, old] of before) {
    // Where the mount point was taken away, the place of it is given back; where it is a plain directory now, that stays.
    if (old.boundary && after.get(path)?.type === 'd') edges.add(path);
  }
  if (edges.size === 0) return { beyond: () => false, obstructions };
  const beyond = (path: string): boolean => {
    for (let at = path; ; at = parentOf(at)) {
      if (edges.has(at)) return true;
      if (at === '') return false;
    }
  };
  return { beyond, obstructions };
}
