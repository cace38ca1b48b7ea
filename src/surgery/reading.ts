import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { refuseParts } from './body.ts';
import { type Entry, isPlainHead, readGit, readPlain } from './entry.ts';
import { Lines, Malformed } from './lines.ts';
import { pathOf } from './name.ts';
import type { Patch, Touch } from './patch.ts';

const BYTES_MAX = 64 * 1024 * 1024;
const FILES_MAX = 10_000;

/**
 * Whether it is a unified diff and no program: it does not say what would run it, and a file's head stands somewhere in it.
 * What `diff` or `git format-patch` put before it does not matter.
 */
export function isPatch(bytes: Buffer): boolean {
  if (bytes.subarray(0, 2).toString('latin1') === '#!') return false;
  return /^(?:diff --git ["a-zA-Z0-9_.]|--- [^\n]+\n\+\+\+ [^\n]+\n@@ -\d)/m.test(bytes.toString('latin1'));
}

/**
 * Reads a unified diff, of git or of `diff -u`. Pure: what is refused here is refused by the diff's form alone. Strict where git would guess,
 * so that what a person reads in it is what is done.
 *
 * @returns `patch_invalid` for what cannot be read, with the line; `patch_refused` for what a diff may not touch, with the path
 */
export function readPatch(bytes: Buffer): Result<Patch, Refusal> {
  if (bytes.length > BYTES_MAX)
    return err(refusal('patch_invalid', `The diff has ${bytes.length} bytes; ${BYTES_MAX} are the most.`));
  const strip = stripOf(bytes);
  const entries: Entry[] = [];
  try {
    const lines = new Lines(bytes);
    while (!lines.over) {
      const entry = nextEntry(lines, strip);
      if (entry !== undefined) entries.push(entry);
      if (entries.length > FILES_MAX) lines.fail(`it touches more than ${FILES_MAX} files`);
    }
  } catch (error) {
    if (error instanceof Malformed) return err(error.refusal);
    throw error;
  }
  if (entries.length === 0) return err(refusal('patch_invalid', 'There is no unified diff in it.'));
  return touching(bytes, strip, entries);
}

function nextEntry(lines: Lines, strip: 0 | 1): Entry | undefined {
  if (lines.at('diff --git ')) return readGit(lines);
  if (isPlainHead(lines)) return readPlain(lines, strip);
  if (lines.at('@@ -')) lines.fail('a hunk without the names of its file');
  if (lines.at('diff --cc ') || lines.at('diff --combined '))
    lines.fail(
      'it is the diff of a merge, with more than one side',
      'Make one against a single side: "git diff HEAD^1".',
    );
  if (lines.at('GIT binary patch')) lines.fail('a binary file without a name');
  refuseParts(lines);
  lines.skip();
  return undefined;
}

/** The names end where a tab or CR begins something else: only so is it read in one pass, however long the line. */
const HEADS = /^--- ([^\t\r\n]+)(?:[\t\r][^\n]*)?\n\+\+\+ ([^\t\r\n]+)(?:[\t\r][^\n]*)?\n@@ -/m;

/** Plain names without any folder have nothing to take off; then no other names may stand beside them. */
function stripOf(bytes: Buffer): 0 | 1 {
  const text = bytes.toString('latin1');
  if (/^diff --git /m.test(text)) return 1;
  const [, before = '', after = ''] = HEADS.exec(text) ?? [];
  const sides = [before, after].filter((name) => name !== '/dev/null');
  return sides.length > 0 && sides.every((name) => !name.includes('/')) ? 0 : 1;
}

function touching(bytes: Buffer, strip: 0 | 1, entries: readonly Entry[]): Result<Patch, Refusal> {
  const touches: Touch[] = [];
  for (const { name, from, ...entry } of entries) {
    const path = pathOf(name);
    if (!path.ok) return path;
    const source = from === undefined ? undefined : pathOf(from);
    if (source?.ok === false) return source;
    touches.push({ ...entry, path: path.value, ...(source === undefined ? {} : { from: source.value }) });
  }
  const folder = folderAndFile(touches);
  if (folder !== undefined)
    return err(
      refusal('patch_refused', `The diff touches ${JSON.stringify(folder)} as a file, and files in it.`, undefined, {
        path: folder,
      }),
    );
  return ok({ bytes, strip, touches });
}

/** A file that would have to be a folder at some time in between. */
function folderAndFile(touches: readonly Touch[]): string | undefined {
  const files = new Set(touches.flatMap(({ path, from }) => (from === undefined ? [path] : [path, from])));
  for (const path of files)
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
      if (files.has(path.slice(0, at))) return path.slice(0, at);
  return undefined;
}
