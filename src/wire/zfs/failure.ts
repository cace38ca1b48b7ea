/** Why a command of ZFS failed, as far as hauki acts differently. */
export interface Failure {
  readonly kind: FailureKind;
  /** One line for people. */
  readonly message: string;
  /** What is in the way, where ZFS lists it (snapshots, bookmarks, clones, children); else what the complaint is about. */
  readonly names: readonly string[];
}

/**
 * - `missing`: dataset, snapshot, bookmark or hold is not there
 * - `exists`: it is there already
 * - `busy`: in use: mounted and open, or something runs on it
 * - `permission`: not root, and not delegated. Part of it may have been done: a delegate's `zfs set readonly=on` fails this way
 *   with the property set.
 * - `space`: pool, quota or snapshot limit
 * - `clones`: clones depend on it
 * - `held`: a snapshot with holds, or one being sent: ZFS says "busy" for both
 * - `newer`: newer snapshots or bookmarks stand in the way of a rollback
 * - `pool_gone`: no such pool, or not reachable
 * - `not_mounted`: has to be mounted for this, and is not
 * - `unsupported`: this version, module or kind of dataset cannot do it
 */
export type FailureKind =
  | 'missing'
  | 'exists'
  | 'busy'
  | 'permission'
  | 'space'
  | 'clones'
  | 'held'
  | 'newer'
  | 'pool_gone'
  | 'not_mounted'
  | 'unsupported'
  | 'other';

/** The first that fits. Names in quotes are taken out before: a dataset may be called `tank/out of space`. */
const SAYINGS: readonly (readonly [FailureKind, RegExp])[] = [
  ['newer', /more recent snapshots or bookmarks exist/],
  ['clones', /dependent clones|clones of previous snapshots exist/],
  ['held', /cannot destroy (snapshot [^@]*@.*|'snapshot'): dataset is busy/],
  ['not_mounted', /not currently mounted|unmounted snapshot|no mountpoint set/],
  ['permission', /permission denied|insufficient privileges|run as root|mounted by root|delegated permission/i],
  ['pool_gone', /no such pool(?! or dataset)|pool is unavailable|I\/O is currently suspended|different host/],
  ['missing', /does ?n[o']t exist|no such (pool or )?dataset|no such tag|could not find any snapshots|no such file/i],
  ['exists', /already exists|pool or dataset exists/],
  ['space', /out of space|no space left|quota exceeded|greater than available space|current used or reserved/i],
  ['busy', /\bbusy\b/],
  ['unsupported', /modules are not loaded|unrecognized command|invalid option|not (supported|applicable)|unsupported/i],
];

/** Linux's numbers that channel programs return; EBADE and EBADR are ZFS's ECKSUM and EFRAGS, from 1024 on they are its own. */
const ERRNOS: Readonly<Record<number, readonly [FailureKind, string]>> = {
  1: ['permission', 'operation not permitted'],
  2: ['missing', 'does not exist'],
  5: ['other', 'input/output error'],
  6: ['pool_gone', 'no such device'],
  7: ['other', 'property value too long'],
  12: ['other', 'out of memory'],
  13: ['permission', 'permission denied'],
  16: ['busy', 'busy'],
  17: ['exists', 'exists already'],
  18: ['other', 'crosses pools'],
  22: ['other', 'invalid argument'],
  28: ['space', 'out of space'],
  30: ['other', 'read-only'],
  36: ['other', 'name too long'],
  52: ['other', 'checksum error'],
  53: ['other', 'too fragmented'],
  95: ['unsupported', 'not supported'],
  122: ['space', 'quota exceeded'],
  1024: ['other', 'pool checkpoint exists'],
  1025: ['other', 'pool checkpoint is being discarded'],
  1026: ['other', 'no pool checkpoint'],
  1028: ['unsupported', 'not known to the kernel module'],
};

/** Where the operation makes a number say more. */
const DESTROYING: Readonly<Record<number, readonly [FailureKind, string]>> = {
  16: ['held', 'held, or in use'],
  17: ['clones', 'has dependent clones'],
};

/**
 * Judges what `zfs` or `zpool` wrote to stderr (LC_ALL=C or C.UTF-8: otherwise it may be in another language), when its exit code
 * was not 0. Nothing recognised is `other`.
 */
export function readFailure(stderr: string): Failure {
  const lines = stderr.split('\n');
  const told = lines.slice(0, endOf(lines, /^(usage: ?|stack traceback:|use '-\w' (to|for) .*)/i));
  // It runs over several lines: "use '-r' to force deletion of the following" and "snapshots and bookmarks:" in older versions.
  const list = lines.findIndex((line) => line.startsWith("use '-"));
  const after = list < 0 ? [] : lines.slice(list);
  const listed = after.slice(after.findIndex((line) => line.endsWith(':')) + 1).filter((line) => line !== '');

  const message = told
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== 'Channel program execution failed:')
    .join(' ');
  const names = list < 0 ? subjects(message) : listed;
  const said = message.replaceAll(/'([^']*)'/g, (_, name: string) => (name.includes('@') ? "'snapshot'" : "'…'"));
  return { kind: SAYINGS.find(([, saying]) => saying.test(said))?.[0] ?? 'other', message, names };
}

/**
 * Judges the number that a function of `zfs.sync` or `zfs.check` returned.
 *
 * @param errno positive; 0 is success and no failure
 * @param operation what was tried: on `destroy`, EEXIST means clones and EBUSY holds (or, of a file system, that it is mounted)
 */
export function ofErrno(errno: number, operation?: 'destroy', names: readonly string[] = []): Failure {
  const known = (operation === 'destroy' ? DESTROYING[errno] : undefined) ?? ERRNOS[errno];
  const [kind, words] = known ?? (['other', 'unknown error'] as const);
  return { kind, message: `${words} (errno ${errno})`, names };
}

function endOf(lines: readonly string[], end: RegExp): number {
  const at = lines.findIndex((line) => end.test(line));
  return at < 0 ? lines.length : at;
}

function subjects(message: string): string[] {
  const quoted = message.matchAll(/(?:\bcannot [^':]*|\bbookmark |\bno such dataset )'([^']+)'/g);
  const bare = message.matchAll(/\bcannot destroy snapshot (\S.*?@.*?): /g);
  return [...new Set([...quoted, ...bare].map(([, name = '']) => name))];
}
