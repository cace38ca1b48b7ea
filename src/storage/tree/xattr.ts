import { lstatSync } from 'node:fs';

import { Beneath } from './beneath.ts';
import type { Entries, Entry } from './entry.ts';
import { Pace } from './pace.ts';
import { errorCode, type Syscalls } from './syscalls.ts';

/**
 * Extended attributes as one text, `<name>=<value>` in hex, sorted and joined by commas; '' is none. POSIX ACLs are among them
 * (`system.posix_acl_access`), so are file capabilities.
 */
export function readXattrs(path: Buffer, sys: Syscalls): string {
  const names = sys.llistxattr(path);
  if (names.length === 0) return '';
  const pairs = names.toSorted().flatMap((name) => {
    const value = sys.lgetxattr(path, name);
    return value === undefined ? [] : [`${Buffer.from(name, 'latin1').toString('hex')}=${value.toString('hex')}`];
  });
  return pairs.join(',');
}

/** Makes the extended attributes of a path equal to the text: sets what is missing or different, removes what is too much. */
export function writeXattrs(path: Buffer, wanted: string, sys: Syscalls): void {
  const now = pairsOf(readXattrs(path, sys));
  const then = pairsOf(wanted);
  for (const [name, value] of then) if (now.get(name) !== value) sys.lsetxattr(path, name, Buffer.from(value, 'hex'));
  for (const name of now.keys()) if (!then.has(name)) sys.lremovexattr(path, name);
}

/**
 * The entries of a live tree with their extended attributes read. What vanished meanwhile has none, and neither has what another's
 * file took the place of: the capabilities of one of the host's programs must not become those of somebody's own.
 * @param known what need not be read again, because the entry is unchanged since
 */
export async function withXattrs(
  root: string,
  entries: Entries,
  sys: Syscalls,
  known: (entry: Entry) => string | undefined = () => undefined,
): Promise<Entries> {
  const pace = new Pace();
  const path = new PathBuffer(root);
  const tree = new Beneath(root, sys);
  const result = new Map<string, Entry>();
  try {
    for (const entry of entries.values()) {
      const pause = pace.step();
      if (pause) await pause;
      result.set(entry.path, { ...entry, xattrs: entry.boundary ? '' : (known(entry) ?? look(entry)) });
    }
  } finally {
    tree.close();
  }
  return result;

  function look(entry: Entry): string {
    try {
      // By path, which can lead elsewhere, because that takes half the time; what there is to have is read from the place itself.
      if (!sys.hasXattrs(path.to(entry.path))) return '';
      const where = tree.at(entry.path);
      const { uid, gid } = lstatSync(where);
      return uid === entry.uid && gid === entry.gid ? readXattrs(where, sys) : '';
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV'].includes(errorCode(error) ?? '')) return '';
      throw error;
    }
  }
}

function pairsOf(text: string): Map<string, string> {
  if (text === '') return new Map();
  return new Map(
    text.split(',').map((pair) => {
      const [name = '', value = ''] = pair.split('=');
      return [Buffer.from(name, 'hex').toString('latin1'), value];
    }),
  );
}

/** One buffer for many paths in a tree, each ended by NUL: most entries have no attributes, and finding that out is all the work. */
class PathBuffer {
  readonly #prefix: Buffer;
  #bytes: Buffer;

  constructor(root: string) {
    this.#prefix = Buffer.from(`${root}/`);
    this.#bytes = Buffer.alloc(0);
  }

  to(path: string): Buffer {
    const length = this.#prefix.length + path.length + 1;
    if (this.#bytes.length < length) {
      this.#bytes = Buffer.alloc(length * 2);
      this.#prefix.copy(this.#bytes);
    }
    this.#bytes.write(path, this.#prefix.length, 'latin1');
    this.#bytes[length - 1] = 0;
    return this.#bytes;
  }
}
