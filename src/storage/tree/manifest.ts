import type { Entry, EntryType } from './entry.ts';
import { Pace } from './pace.ts';

/**
 * The written form of a tree: fourteen fields an entry, each ended by NUL, the one byte that is in no path. GNU find prints it
 * (`FIND_FORMAT`), a store keeps it. The last field, the extended attributes, is `?` where nobody looked;
 * the first, the type, is a capital where the entry is a boundary.
 */
export const FIND_FORMAT = '%y\\0%D\\0%i\\0%n\\0%m\\0%U\\0%G\\0%s\\0%b\\0%T@\\0%C@\\0%l\\0%P\\0?\\0';

const FIELDS = 14;
const SLICE_BYTES = 64 * 1024;

/** Reads a manifest that comes in pieces, cut anywhere. */
export class ManifestParser {
  readonly #entries: Entry[] = [];
  #fields: string[] = [];
  #rest = '';

  push(chunk: Buffer): void {
    const parts = (this.#rest + chunk.toString('latin1')).split('\0');
    this.#rest = parts.pop() ?? '';
    this.#fields = this.#fields.length === 0 ? parts : [...this.#fields, ...parts];
    let at = 0;
    for (; at + FIELDS <= this.#fields.length; at += FIELDS) this.#entries.push(entryOf(this.#fields, at));
    this.#fields = this.#fields.slice(at);
  }

  /** @throws when the manifest breaks off in the middle of an entry */
  end(): Entry[] {
    if (this.#rest !== '' || this.#fields.length > 0)
      throw new Error('the manifest breaks off in the middle of an entry');
    return this.#entries;
  }
}

export async function parseManifest(bytes: Buffer): Promise<Entry[]> {
  const pace = new Pace();
  const parser = new ManifestParser();
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    parser.push(bytes.subarray(at, at + SLICE_BYTES));
    const pause = pace.step();
    if (pause) await pause;
  }
  return parser.end();
}

export async function serializeManifest(entries: Iterable<Entry>): Promise<Buffer> {
  const pace = new Pace();
  const parts: Buffer[] = [];
  for (const entry of entries) {
    parts.push(Buffer.from(lineOf(entry), 'latin1'));
    const pause = pace.step();
    if (pause) await pause;
  }
  return Buffer.concat(parts);
}

function lineOf(entry: Entry): string {
  const { dev, ino, nlink, mode, uid, gid, size, blocks, mtime, ctime, target, path, xattrs = '?' } = entry;
  const type = entry.boundary ? entry.type.toUpperCase() : entry.type;
  return `${type}\0${dev}\0${ino}\0${nlink}\0${mode.toString(8)}\0${uid}\0${gid}\0${size}\0${blocks}\0${mtime}\0${ctime}\0${target}\0${path}\0${xattrs}\0`;
}

function entryOf(fields: readonly string[], at: number): Entry {
  const field = (index: number): string => fields[at + index] ?? '';
  const letter = field(0).toLowerCase();
  const xattrs = field(13);
  return {
    type: typeOf(letter),
    dev: field(1),
    ino: field(2),
    nlink: Number(field(3)),
    mode: Number.parseInt(field(4), 8),
    uid: Number(field(5)),
    gid: Number(field(6)),
    size: Number(field(7)),
    blocks: Number(field(8)),
    mtime: field(9),
    ctime: field(10),
    target: field(11),
    path: field(12),
    ...(xattrs === '?' ? {} : { xattrs }),
    ...(letter === field(0) ? {} : { boundary: true }),
  };
}

function typeOf(letter: string): EntryType {
  if (letter.length === 1 && 'fdlpscb'.includes(letter)) return letter as EntryType;
  throw new Error(`a manifest knows no file type ${JSON.stringify(letter)}`);
}
