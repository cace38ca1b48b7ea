/**
 * One thing in a directory tree, as the kernel tells it.
 *
 * Paths and link targets are bytes, not text: they are kept as "latin1" strings, in which every character is one byte. Such a
 * string is a Map key, sorts by bytes, and `bytesOf` turns it back without loss. `textOf` (src/wire/path.ts) makes it readable for people.
 */
export interface Entry {
  /** Relative to the tree's root, without a leading slash; the root itself is ''. */
  readonly path: string;
  readonly type: EntryType;
  readonly dev: string;
  readonly ino: string;
  readonly nlink: number;
  /** Permission bits with setuid, setgid and sticky; not the type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Allocated, in units of 512 bytes: fewer than `size` needs means there are holes. */
  readonly blocks: number;
  /** `<seconds>.<nanoseconds>`, seconds perhaps negative, nine digits or more: text, because a double cannot hold it. */
  readonly mtime: string;
  readonly ctime: string;
  /** Of a symlink, else ''. */
  readonly target: string;
  /** All extended attributes, ACLs among them, in one canonical text; undefined when nobody looked. See xattr.ts. */
  readonly xattrs?: string | undefined;
  /** Another file system or subvolume begins here: never looked into, never changed. */
  readonly boundary?: true;
}

/** As `find -printf %y` has it: regular file, directory, symlink, FIFO, socket, character and block device. */
export type EntryType = 'f' | 'd' | 'l' | 'p' | 's' | 'c' | 'b';

/** Every entry by its path, parents before their children. */
export type Entries = ReadonlyMap<string, Entry>;

/** A directory tree somewhere on this machine, and what is known of it. */
export interface Tree {
  /** Absolute path of the root, without a trailing slash. */
  readonly root: string;
  readonly entries: Entries;
}

export function bytesOf(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** The directory that holds it; '' for what lies in the root, and for the root itself. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** How many directories lie between the root and it. */
export function depthOf(path: string): number {
  if (path === '') return 0;
  let depth = 1;
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) depth += 1;
  return depth;
}
