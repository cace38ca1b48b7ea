/**
 * Dataset names. Two spellings, both hierarchical by "/": `tank/meshfs/state/crm` (ZFS) and `/srv/site` (a directory or a
 * btrfs subvolume by its real path). A dataset overlaps with its ancestors and descendants, because their state contains each other.
 */
export type DatasetName = string;

/** Which storage backend a dataset belongs to; `none` for what a caller named and no backend knows. */
export type DriverName = 'directory' | 'btrfs' | 'zfs' | 'memory' | 'none';

export interface Dataset {
  readonly name: DatasetName;
  readonly driver: DriverName;
  /** Where its files are, for one whose name is no path: the mount point of a ZFS file system. */
  readonly at?: string;
}

/** `a/b/c` → `a/b`, `a`; `/a/b` → `/a`, `/`. Nearest first. */
export function ancestorsOf(name: DatasetName): DatasetName[] {
  const ancestors: DatasetName[] = [];
  for (let cut = name.lastIndexOf('/'); cut > 0; cut = name.lastIndexOf('/', cut - 1))
    ancestors.push(name.slice(0, cut));
  if (name.startsWith('/') && name !== '/') ancestors.push('/');
  return ancestors;
}

/** Where a dataset is: its name, and its place in the file system where that is another. */
export interface Place {
  readonly name: DatasetName;
  readonly at?: string | undefined;
}

/**
 * True when the state of one is, or is part of, the state of the other. Names tell that of two paths and of two pool names; of a
 * path and a pool name only the places can tell: `tank/a` is mounted somewhere, and `/tank/a/sub` may lie in it.
 */
export function overlapping(a: Place, b: Place): boolean {
  return overlap(...comparable(a, b));
}

/** True when `inner` is `outer`, or part of it. */
export function within(outer: Place, inner: Place): boolean {
  const [one, other] = comparable(outer, inner);
  return one === other || contains(one, other);
}

export function anyOverlapping(some: readonly Place[], others: readonly Place[]): boolean {
  return some.some((a) => others.some((b) => overlapping(a, b)));
}

function comparable(a: Place, b: Place): [string, string] {
  return isPath(a.name) === isPath(b.name) ? [a.name, b.name] : [a.at ?? a.name, b.at ?? b.name];
}

function isPath(name: DatasetName): boolean {
  return name.startsWith('/');
}

/** True when one is the other or lies inside it. */
export function overlap(a: DatasetName, b: DatasetName): boolean {
  return a === b || contains(a, b) || contains(b, a);
}

/** True when `inner` lies strictly inside `outer`. */
export function contains(outer: DatasetName, inner: DatasetName): boolean {
  const prefix = outer.endsWith('/') ? outer : `${outer}/`;
  return inner.length > prefix.length && inner.startsWith(prefix);
}
