/**
 * One thing in a directory tree, as the kernel tells it.
 *
 * Paths and link targets are bytes, not text: they are kept as "latin1" strings, in which every character is one byte. Such a
 * string is a Map key, sorts by bytes, and `bytesOf` turns it back without loss. `textOf` makes it readable for people.
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

/** UTF-8 text for people and JSON: a backslash becomes `\\`, a byte that is no UTF-8 becomes `\xNN`. The root is `.`. */
export function textOf(path: string): string {
  if (path === '') return '.';
  const bytes = bytesOf(path);
  // Nearly every path is plain ASCII.
  if (!/[^\x20-\x5b\x5d-\x7e]/.test(path)) return path;
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      text += `\\x${byteAt(bytes, at).toString(16).padStart(2, '0')}`;
      at += 1;
    } else {
      const character = bytes.toString('utf8', at, at + length);
      text += character === '\\' ? '\\\\' : character;
      at += length;
    }
  }
  return text;
}

/** Bytes of the UTF-8 character that begins here; 0 when none does. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = byteAt(bytes, at);
  const length =
    first < 0x80
      ? 1
      : first >= 0xc2 && first < 0xe0
        ? 2
        : first >= 0xe0 && first < 0xf0
          ? 3
          : first >= 0xf0 && first < 0xf5
            ? 4
            : 0;
  if (length <= 1) return length;
  // The decoder knows the rest of the rules (overlong forms, surrogates): what it cannot read comes out as U+FFFD.
  const character = bytes.toString('utf8', at, at + length);
  return Buffer.byteLength(character) === length &&
    (character !== '\ufffd' || bytes.toString('hex', at, at + 3) === 'efbfbd')
    ? length
    : 0;
}

function byteAt(bytes: Buffer, at: number): number {
  return bytes[at] ?? 0;
}
