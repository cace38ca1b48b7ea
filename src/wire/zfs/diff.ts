/**
 * Parses what `zfs diff -FH FROM TO` prints: one line a file system object that changed, fields between tabs.
 *
 * Never with `-h` (2.1.11 takes it, though its usage does not say so): it prints names raw, so a newline in one ends the line and a tab the
 * field, and `a<newline>+<tab>F<tab>/etc` tells a lie. Without it, whatever is not printable ASCII, and the blank and the
 * backslash, comes as `\0` and three octal digits: a line is a line. `-H` makes a rename two fields instead of ` -> `, which a name may hold.
 *
 * It only works while the dataset is mounted, and paths begin with its (first) mount point.
 */
export interface DiffEntry {
  readonly change: 'added' | 'removed' | 'modified' | 'renamed';
  /** Of a file that was replaced by another kind there are two entries, removed and added. */
  readonly type: DiffType;
  /** Absolute, bytes in a latin1 string. */
  readonly path: string;
  /** The new path of what was renamed. */
  readonly to?: string;
  /** By how many the hard links became more or fewer. Which names these are is not told; `path` is one that is left. */
  readonly links?: number;
}

export type DiffType = (typeof TYPES)[keyof typeof TYPES] | 'unknown';

const CHANGES = { '+': 'added', '-': 'removed', M: 'modified', R: 'renamed' } as const;
const TYPES = {
  F: 'file',
  '/': 'directory',
  '@': 'symlink',
  B: 'block',
  C: 'character',
  '|': 'fifo',
  '=': 'socket',
  '>': 'door',
  P: 'port',
} as const;

export interface DiffReader {
  /** @throws {TypeError} with the line, when it is none of `zfs diff -FH` */
  push(chunk: Uint8Array): void;
  /** @throws {TypeError} when the output stopped in the middle of a line */
  end(): void;
}

/** Takes the output in chunks cut anywhere, and hands on each entry as soon as its line is complete. */
export function diffReader(emit: (entry: DiffEntry) => void): DiffReader {
  let rest = '';
  return {
    push(chunk) {
      const { buffer, byteOffset, byteLength } = chunk;
      const lines = Buffer.from(buffer, byteOffset, byteLength).toString('latin1').split('\n');
      lines[0] = rest + (lines[0] ?? '');
      rest = lines.pop() ?? '';
      for (const line of lines) emit(entryOf(line));
    },
    end() {
      if (rest !== '') throw new TypeError(`zfs diff stopped in the middle of a line: ${JSON.stringify(rest)}`);
    },
  };
}

function entryOf(line: string): DiffEntry {
  const [sign = '', letter = '', from = '', more, ...others] = line.split('\t');
  const change = Object.hasOwn(CHANGES, sign) ? CHANGES[sign as keyof typeof CHANGES] : undefined;
  const type = Object.hasOwn(TYPES, letter) ? TYPES[letter as keyof typeof TYPES] : 'unknown';
  const path = unescape(from);
  const links = change === 'modified' ? /^\(([+-]\d+)\)$/.exec(more ?? '')?.[1] : undefined;
  const to = change === 'renamed' ? unescape(more ?? '') : undefined;

  const plain = change !== 'renamed' && more === undefined;
  const sound = letter.length === 1 && others.length === 0 && (plain || to !== undefined || links !== undefined);
  if (change === undefined || path === undefined || !sound) {
    throw new TypeError(`not a line of zfs diff -FH: ${JSON.stringify(line)}`);
  }
  return {
    change,
    type,
    path,
    ...(to === undefined ? {} : { to }),
    ...(links === undefined ? {} : { links: Number(links) }),
  };
}

/** undefined for what the command would not print like this. */
function unescape(field: string): string | undefined {
  if (!/^(?:[!-[\]-~]|\\0[0-3][0-7]{2})+$/.test(field)) return undefined;
  return field.replaceAll(/\\0(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
