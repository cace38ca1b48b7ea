import { type Body, readBody } from './body.ts';
import type { Lines } from './lines.ts';
import { nameIn, unquote } from './name.ts';

/** What the head and body of one file in a diff say, its names still bytes (a character each) and as they were found. */
export interface Entry extends Body {
  readonly kind: 'create' | 'modify' | 'delete' | 'rename' | 'copy';
  readonly name: string;
  readonly from?: string;
  readonly executable?: boolean;
}

const NOWHERE = '/dev/null';
/** What a diff without git's header says of the time of a file that is not there. */
const EPOCH = /\t(?:1970-01-01|1969-12-31)[ T]/;

/** Whether `diff -u` begins a file here: both names, and a hunk. Without the hunk it is prose, as for git. */
export function isPlainHead(lines: Lines): boolean {
  return lines.at('--- ') && lines.second.startsWith('+++ ') && lines.third.startsWith('@@ -');
}

/** A file of `diff -u`. */
export function readPlain(lines: Lines, strip: 0 | 1): Entry {
  const [first, second] = [lines.next, lines.second];
  const before = named(lines, first.slice(4), strip);
  const after = named(lines, second.slice(4), strip);
  // The shorter, when the other is it with something behind (x.orig, x~): so it was meant, and so git takes it.
  const name = shorter(before ?? after ?? '', after ?? before ?? '') ?? lines.fail('it names two different files');
  if (before === undefined && after === undefined) lines.fail('it names no file');
  lines.skip();
  lines.skip();
  const gone = after === undefined || EPOCH.test(second);
  const made = before === undefined || EPOCH.test(first);
  const kind = made ? 'create' : gone ? 'delete' : 'modify';
  return { kind, name, ...readBody(lines) };
}

function shorter(one: string, other: string): string | undefined {
  if (one.startsWith(other)) return other;
  return other.startsWith(one) ? one : undefined;
}

/** A file of `git diff`. */
export function readGit(lines: Lines): Entry {
  const both = namesOfHead(lines.next.slice('diff --git '.length));
  const said: Record<string, string> = {};
  lines.skip();
  for (;;) {
    const [head] = HEADS.exec(lines.next) ?? [];
    if (head === undefined) break;
    if (said[head] !== undefined) lines.fail(`"${head.trim()}" stands there twice`);
    said[head] = lines.next.slice(head.length);
    refuseMode(lines, head, said[head]);
    lines.skip();
  }
  const body = readBody(lines);
  return { ...meant(lines, said, both), ...mode(said), ...body };
}

const HEADS =
  /^(?:old mode |new mode |deleted file mode |new file mode |(?:copy|rename) (?:from|to) |(?:dis)?similarity index |index |--- |\+\+\+ )/;

/** @returns names and kind, none of which may contradict another */
function meant(
  lines: Lines,
  said: Readonly<Record<string, string>>,
  both: string | undefined,
): Pick<Entry, 'kind' | 'name' | 'from'> {
  const before = said['--- '] === undefined ? both : named(lines, said['--- '], 1);
  const after = said['+++ '] === undefined ? both : named(lines, said['+++ '], 1);
  const made = 'new file mode ' in said;
  const gone = 'deleted file mode ' in said;
  for (const way of ['rename', 'copy'] as const) {
    const [from, to] = [said[`${way} from `], said[`${way} to `]].map((text) =>
      text === undefined ? undefined : nameIn(text),
    );
    if (from === undefined && to === undefined) continue;
    const other = way === 'rename' ? 'copy from ' : 'rename from ';
    if (from === undefined || to === undefined || made || gone || other in said)
      lines.fail('what it says of its file does not fit together');
    const heads = '--- ' in said || '+++ ' in said;
    if (heads && (before !== from || after !== to)) lines.fail('it names two different files');
    return { kind: way, name: to, from };
  }
  const name = after ?? before ?? lines.fail('it names no file');
  if (before !== undefined && after !== undefined && before !== after) lines.fail('it names two different files');
  // With "/dev/null" on one side it has to be new, or gone.
  if (('--- ' in said && before === undefined && !made) || ('+++ ' in said && after === undefined && !gone))
    lines.fail('what it says of its file does not fit together');
  if (made && gone) lines.fail('a file cannot be new and deleted');
  return { kind: made ? 'create' : gone ? 'delete' : 'modify', name };
}

function mode(said: Readonly<Record<string, string>>): Pick<Entry, 'executable'> {
  const octal = said['new mode '] ?? said['new file mode '];
  return octal === undefined ? {} : { executable: (Number.parseInt(octal, 8) & 0o111) !== 0 };
}

function refuseMode(lines: Lines, head: string, text: string): void {
  const octal = head === 'index ' ? / (\d+)\r?$/.exec(text)?.[1] : head.endsWith('mode ') ? text.trim() : undefined;
  if (octal === undefined) return;
  if (octal === '120000') lines.refuse('it is about a symbolic link');
  if (octal === '160000') lines.refuse('it is about a submodule');
  if (!/^100[0-7]{3}$/.test(octal)) lines.fail(`${octal} is no mode of a file`);
}

/** Without its first folder, which only says which side it is. undefined: no file at all. */
function named(lines: Lines, text: string, strip: 0 | 1): string | undefined {
  const name = nameIn(text) ?? lines.fail('a name is not quoted as it must be');
  if (name === NOWHERE) return undefined;
  // Not stripped: what is wrong with it is told by its whole name.
  if (name.startsWith('/') || strip === 0) return name;
  const at = name.indexOf('/');
  return at < 0 ? lines.fail('a name has no folder before it, as in a/x and b/x') : name.slice(at + 1);
}

/** `a/x b/x`, where x may hold spaces: the same on both sides, or nothing is known by it. */
function namesOfHead(text: string): string | undefined {
  const line = text.replace(/\r$/, '');
  const stripped = (name: string): string | undefined =>
    name.includes('/') ? name.slice(name.indexOf('/') + 1) : undefined;
  const quoted = unquote(line, 0);
  if (quoted !== undefined) {
    const rest = line.slice(quoted.end + 1);
    const after = rest.startsWith('"') ? unquote(rest, 0)?.name : rest;
    const name = stripped(quoted.name);
    return after !== undefined && name === stripped(after) ? name : undefined;
  }
  const second = line.indexOf(' "');
  if (second >= 0) {
    const name = stripped(line.slice(0, second));
    const other = unquote(line, second + 1);
    if (other !== undefined && name === stripped(other.name)) return name;
  }
  // The same name twice with a space between them; the sides' folders may differ in length, but are short.
  for (
    let at = line.indexOf(' '), tries = 0;
    at >= 0 && tries < SPLITS_MAX;
    at = line.indexOf(' ', at + 1), tries += 1
  ) {
    const name = stripped(line.slice(0, at));
    if (name !== undefined && name !== '' && name === stripped(line.slice(at + 1))) return name;
  }
  return undefined;
}

const SPLITS_MAX = 1000;
