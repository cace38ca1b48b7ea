import type { Lines } from './lines.ts';

/** What stands below the header of a file. */
export interface Body {
  readonly binary: boolean;
  readonly added: number;
  readonly removed: number;
}

const NOTHING: Body = { binary: false, added: 0, removed: 0 };
const WHOLE = 'Make it with "git diff --binary", or "diff -uraN": then it holds everything.';
/** A binary file larger than this, once unpacked, comes by other means. */
const BINARY_BYTES_MAX = 256 * 1024 * 1024;

/** Reads hunks, or a binary patch, to its end, so that no line of content is taken for a header. */
export function readBody(lines: Lines): Body {
  if (lines.at('GIT binary patch')) return readBinary(lines);
  refuseParts(lines);
  let [added, removed] = [0, 0];
  while (lines.at('@@ -')) {
    const hunk = readHunk(lines);
    added += hunk.added;
    removed += hunk.removed;
  }
  return added === 0 && removed === 0 ? NOTHING : { binary: false, added, removed };
}

/** A diff that only says that something differs would be applied without it. */
export function refuseParts(lines: Lines): void {
  if (/^(?:Binary files|Files) .+ differ\r?$/.test(lines.next))
    lines.fail('it says that binary files differ, and not how', WHOLE);
  if (/^Only in .+: .+/.test(lines.next))
    lines.fail('it says that a file is only on one side, and not what is in it', WHOLE);
}

function readHunk(lines: Lines): { added: number; removed: number } {
  const [, olds, news] =
    /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(lines.next) ?? lines.fail('it is no head of a hunk');
  let [before, after] = [Number(olds ?? 1), Number(news ?? 1)];
  let [added, removed] = [0, 0];
  lines.skip();
  while (before > 0 || after > 0) {
    if (lines.over) lines.fail('it is cut off in the middle of a hunk');
    // Some programs take the space of an empty line of context away; git reads it so.
    if (lines.at(' ') || lines.at('\n')) {
      before -= 1;
      after -= 1;
    } else if (lines.at('-')) {
      before -= 1;
      removed += 1;
    } else if (lines.at('+')) {
      after -= 1;
      added += 1;
    } else if (!lines.at('\\ ')) lines.fail('it belongs to no hunk, or the hunk has fewer lines than its head says');
    if (before < 0 || after < 0) lines.fail('the hunk has more lines than its head says');
    lines.skip();
  }
  if (lines.at('\\ ')) lines.skip();
  return { added, removed };
}

function readBinary(lines: Lines): Body {
  lines.skip();
  // Forwards, then backwards if it is there: each ends with an empty line.
  let blocks = 0;
  for (; blocks < 2 && /^(?:literal|delta) \d+\r?$/.test(lines.next); blocks += 1) {
    const bytes = Number(/\d+/.exec(lines.take())?.[0]);
    if (bytes > BINARY_BYTES_MAX) lines.fail(`a binary file of ${bytes} bytes is too large for a diff`);
    while (/^[A-Za-z]\S+\r?$/.test(lines.next)) lines.skip();
    if (lines.over || !/^\r?$/.test(lines.next)) lines.fail('it is cut off in the middle of a binary file');
    lines.skip();
  }
  if (blocks === 0) lines.fail('it is no binary file', WHOLE);
  return { binary: true, added: 0, removed: 0 };
}
