import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';

/*
 * How a diff names files: as they are, or between double quotes with C's escapes (git does so for what is not plain ASCII, GNU diff for
 * some). Text comes in as latin1, a character a byte, because a name is bytes until it has been unquoted.
 */

const ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  '"': 34,
  '\\': 92,
};

/** A name, and where in the line it ends. */
export interface Quoted {
  readonly name: string;
  readonly end: number;
}

/** @returns undefined when no quoted name begins at `at`, or it is not closed */
export function unquote(line: string, at: number): Quoted | undefined {
  if (line[at] !== '"') return undefined;
  let name = '';
  for (let index = at + 1; index < line.length; index += 1) {
    const char = line[index] ?? '';
    if (char === '"') return { name, end: index + 1 };
    if (char !== '\\') {
      name += char;
      continue;
    }
    const octal = /^[0-3][0-7]{2}/.exec(line.slice(index + 1, index + 4))?.[0];
    const escape = ESCAPES[line[index + 1] ?? ''];
    if (octal === undefined && escape === undefined) return undefined;
    name += String.fromCharCode(octal === undefined ? (escape ?? 0) : Number.parseInt(octal, 8));
    index += octal === undefined ? 1 : 3;
  }
  return undefined;
}

/** As it stands after `--- ` and its like: quoted, or up to a tab or the end; git ends it at a carriage return too. */
export function nameIn(text: string): string | undefined {
  if (text.startsWith('"')) return unquote(text, 0)?.name;
  return text.split(/[\t\r\v\f]/, 1)[0];
}

const HINT = 'A diff changes regular files below the dataset, and nothing else. Nothing was changed.';

/**
 * A path below the dataset, from the bytes of its name.
 *
 * @returns `patch_refused` for one that leads, or could lead, anywhere else
 */
export function pathOf(bytes: string): Result<string, Refusal> {
  const path = Buffer.from(bytes, 'latin1').toString('utf8');
  const refuse = (why: string): Result<never, Refusal> =>
    err(refusal('patch_refused', `The diff touches ${JSON.stringify(path)}: ${why}.`, HINT, { path }));
  if (!Buffer.from(path, 'utf8').equals(Buffer.from(bytes, 'latin1'))) return refuse('its name is not UTF-8');
  if (path.includes('\0')) return refuse('its name holds a NUL');
  if (path.startsWith('/')) return refuse('an absolute path lies outside the dataset');
  const parts = path.split('/');
  if (parts.includes('..')) return refuse('".." leads out of the dataset');
  if (parts.includes('') || parts.includes('.')) return refuse('it is no plain path');
  if (path.length > PATH_MAX || parts.some((part) => Buffer.byteLength(part) > NAME_MAX))
    return refuse('its name is too long');
  if (parts.some(isGit)) return refuse("git's own folder is not for diffs");
  if (parts.some((part) => /^\.hauki(?:$|-)/i.test(part))) return refuse("hauki's own folder is not for diffs");
  return ok(path);
}

const PATH_MAX = 3500;
const NAME_MAX = 255;

/** `.git` in all the guises that some file system takes for it: any case, its short name, dots and spaces behind, characters nobody sees. */
function isGit(part: string): boolean {
  const plain = part
    .normalize('NFKC')
    .replaceAll(/\p{Cf}/gu, '')
    .toLowerCase()
    .replace(/:.*$/s, '')
    .replace(/[. ]+$/, '');
  return plain === '.git' || /^git~\d+$/.test(plain);
}
