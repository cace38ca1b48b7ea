import { rmSync } from 'node:fs';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { readAlike } from '../../src/surgery/git.ts';
import type { Touch } from '../../src/surgery/patch.ts';
import { isPatch, readPatch } from '../../src/surgery/surgeon.ts';
import { needs } from '../needs.ts';
import { diffOf, folder, git } from './git-tree.ts';
import { change } from './trees.ts';

const HUNK = '@@ -1 +1 @@\n-a\n+b\n';
const plain = (before: string, after: string, hunk = HUNK): string => `--- ${before}\n+++ ${after}\n${hunk}`;
const ofGit = (before: string, after: string, ...heads: readonly string[]): string =>
  [`diff --git ${before} ${after}`, ...heads, ''].join('\n');
const read = (text: string): ReturnType<typeof readPatch> => readPatch(Buffer.from(text, 'latin1'));
const MODE = ['old mode 100644', 'new mode 100755'];

const GOOD: readonly (readonly [what: string, text: string, touches: readonly Partial<Touch>[]])[] = [
  [
    'diff -u',
    plain('x.orig\t2026-01-02 03:04:05', 'x\t2026-01-02 03:04:06'),
    [{ kind: 'modify', path: 'x', added: 1, removed: 1 }],
  ],
  ['diff -ru', plain('old/s/x\t2026', 'new/s/x\t2026'), [{ path: 's/x' }]],
  [
    'a new file',
    plain('/dev/null', 'b/x', '@@ -0,0 +1 @@\n+b\n'),
    [{ kind: 'create', path: 'x', added: 1, removed: 0 }],
  ],
  [
    'a file that is gone by its date',
    plain('a/x\t2026', 'b/x\t1970-01-01 00:00:00', '@@ -1 +0,0 @@\n-b\n'),
    [{ kind: 'delete' }],
  ],
  ['prose around it', `Dear all,\n--- a/no\nhunk\n${plain('a/x', 'b/x')}-- \n2.39.5\n`, [{ path: 'x' }]],
  [
    'a hunk that holds heads',
    plain('a/x', 'b/x', '@@ -1,2 +1,2 @@\n--- a/y\n-- x\n+++ b/y\n+@@ -1 +1 @@\n'),
    [{ path: 'x', added: 2, removed: 2 }],
  ],
  ['an empty line of context without its space', plain('a/x', 'b/x', '@@ -1,2 +1,2 @@\n\n-a\n+b\n'), [{ added: 1 }]],
  [
    'no newline at the end',
    plain('a/x', 'b/x', '@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n'),
    [{ added: 1, removed: 1 }],
  ],
  ['a mode', ofGit('a/x', 'b/x', ...MODE), [{ kind: 'modify', path: 'x', executable: true }]],
  ['a name with spaces', ofGit('a/x y b/x', 'b/x y b/x', ...MODE), [{ path: 'x y b/x' }]],
  ['a quoted name', ofGit('"a/\\303\\266\\t\\"\\\\"', '"b/\\303\\266\\t\\"\\\\"', ...MODE), [{ path: 'ö\t"\\' }]],
  [
    'a rename',
    ofGit('a/x', 'b/y', 'similarity index 100%', 'rename from x', 'rename to y'),
    [{ kind: 'rename', path: 'y', from: 'x' }],
  ],
  [
    'a copy',
    ofGit('a/x', 'b/y', 'similarity index 100%', 'copy from x', 'copy to y'),
    [{ kind: 'copy', path: 'y', from: 'x' }],
  ],
  [
    'an empty new file',
    ofGit('a/x', 'b/x', 'new file mode 100644', 'index 0000000..e69de29'),
    [{ kind: 'create', executable: false }],
  ],
  [
    'a binary one',
    ofGit(
      'a/x',
      'b/x',
      'index 1..2 100644',
      'GIT binary patch',
      'literal 1',
      'IcmZPo000310RR91',
      '',
      'literal 1',
      'IcmZPo000310RR91',
      '',
    ),
    [{ binary: true }],
  ],
  ['CRLF', plain('a/x', 'b/x', '@@ -1 +1 @@\n-a\r\n+b\r\n'), [{ added: 1 }]],
  ['CRLF in its heads too', plain('a/x\r', 'b/x\r', '@@ -1 +1 @@\r\n-a\r\n+b\r\n'), [{ path: 'x' }]],
];

const BAD: readonly (readonly [what: string, text: string, code: string, why: string])[] = [
  ['nothing', '', 'patch_invalid', 'no unified diff'],
  ['a diff of another kind', '*** a/x\n--- b/x\n', 'patch_invalid', 'no unified diff'],
  ['a hunk that is cut off', plain('a/x', 'b/x', '@@ -1,9 +1,9 @@\n a\n'), 'patch_invalid', 'line 5'],
  ['a hunk with too many lines', plain('a/x', 'b/x', '@@ -1 +1,2 @@\n-a\n-b\n+c\n'), 'patch_invalid', 'more lines'],
  ['a hunk with other things in it', plain('a/x', 'b/x', '@@ -1,2 +1,2 @@\n a\nb\n'), 'patch_invalid', 'line 5'],
  ['a hunk without a file', HUNK, 'patch_invalid', 'line 1'],
  ['two files in one', plain('a/x', 'b/y'), 'patch_invalid', 'two different'],
  ['two files in one of git', ofGit('a/x', 'b/y', '--- a/x', '+++ b/y') + HUNK, 'patch_invalid', 'two different'],
  ['a name twice', ofGit('a/x', 'b/x', ...MODE, 'new mode 100644'), 'patch_invalid', 'twice'],
  ['half a rename', ofGit('a/x', 'b/y', 'rename from x'), 'patch_invalid', 'fit together'],
  [
    'a rename that is new',
    ofGit('a/x', 'b/y', 'new file mode 100644', 'rename from x', 'rename to y'),
    'patch_invalid',
    'fit together',
  ],
  ['an open quote', ofGit('"a/x', '"b/x', '--- "a/x', '+++ "b/x') + HUNK, 'patch_invalid', 'quoted'],
  [
    'binary files without content',
    ofGit('a/x', 'b/x', 'index 1..2 100644', 'Binary files a/x and b/x differ'),
    'patch_invalid',
    'binary',
  ],
  ['the same in a plain diff', `${plain('a/x', 'b/x')}Binary files a/y and b/y differ\n`, 'patch_invalid', 'line 6'],
  ['a file on one side', `${plain('a/x', 'b/x')}Only in b: y\n`, 'patch_invalid', 'one side'],
  ['a merge', `diff --cc x\nindex 1,2..3\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,1 @@@\n`, 'patch_invalid', 'merge'],
  [
    'a huge binary file',
    ofGit('a/x', 'b/x', 'index 1..2 100644', 'GIT binary patch', 'literal 99999999999', 'IcmZPo', ''),
    'patch_invalid',
    'too large',
  ],
  ['a mode that is none', ofGit('a/x', 'b/x', 'old mode 100644', 'new mode 040000'), 'patch_invalid', '040000'],
  [
    'a symbolic link',
    ofGit('a/x', 'b/x', 'new file mode 120000', '--- /dev/null', '+++ b/x'),
    'patch_refused',
    'symbolic link',
  ],
  [
    'one that changes',
    ofGit('a/x', 'b/x', 'index 1..2 120000', '--- a/x', '+++ b/x') + HUNK,
    'patch_refused',
    'symbolic link',
  ],
  ['a submodule', ofGit('a/x', 'b/x', 'index 1..2 160000', '--- a/x', '+++ b/x') + HUNK, 'patch_refused', 'submodule'],
  [
    'a file that is a folder too',
    plain('/dev/null', 'b/x', '@@ -0,0 +1 @@\n+a\n') + plain('/dev/null', 'b/x/y', '@@ -0,0 +1 @@\n+a\n'),
    'patch_refused',
    'files in it',
  ],
  ...[
    '/etc/passwd',
    'a/../x',
    'a/b/../../x',
    'a/./x',
    'a//etc/x',
    'a/.git/config',
    'a/s/.GIT/x',
    'a/git~1/x',
    'a/.git./x',
    'a/.g\\u200cit',
    'a/.hauki/x',
    'a/.hauki-surgery-1/x',
    `a/${'x'.repeat(256)}`,
    'a/\xff',
  ]
    .map((name) =>
      Buffer.from(JSON.parse(`"${name}"`) as string, name.includes('\xff') ? 'latin1' : 'utf8').toString('latin1'),
    )
    .flatMap((name) => [
      [JSON.stringify(name.slice(0, 40)), plain(name, name.replace(/^a/, 'b')), 'patch_refused', 'touches'] as const,
      [
        `${JSON.stringify(name.slice(0, 40))} by renaming`,
        ofGit('a/x', 'b/y', 'rename from x', `rename to ${name.replace(/^a\//, '')}`),
        'patch_refused',
        'touches',
      ] as const,
    ]),
];

describe('a diff is read', () => {
  test.each(GOOD)('%s', (_, text, touches) => {
    const strip = text.startsWith('--- x') ? 0 : 1;
    expect(read(text)).toMatchObject({ ok: true, value: { strip, touches } });
    expect(isPatch(Buffer.from(text))).toBe(true);
  });

  test.each(BAD)('or refused: %s', (_, text, code, why) => {
    const patch = read(text);
    expect(patch).toMatchObject({ ok: false, error: { code } });
    expect(!patch.ok && patch.error.message).toContain(why);
  });

  test('a program is none', () => {
    const diff = plain('a/x', 'b/x');
    expect(
      [diff, `#!/bin/sh\ncat <<E\n${diff}E\n`, 'echo hello\n', ''].map((text) => isPatch(Buffer.from(text))),
    ).toEqual([true, false, false, false]);
  });

  test('cut anywhere, changed anywhere, it is read or refused and never anything else', () => {
    const whole = Buffer.from(GOOD.map(([, text]) => text).join(''), 'latin1');
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(whole.length), fc.uint8Array({ maxLength: 3 }), (from, to, middle) => {
        const bytes = Buffer.concat([whole.subarray(0, from), middle, whole.subarray(to)]);
        expect(readPatch(bytes).ok).toBeTypeOf('boolean');
      }),
      { numRuns: 2000 },
    );
  });

  test('much of it, in one go', () => {
    const many = Array.from({ length: 9_000 }, (_, at) =>
      plain(`a/f${at}`, `b/f${at}`, `@@ -1 +1 @@\n-${'x'.repeat(1000)}\n+b\n`),
    );
    const patch = read(many.join(''));
    expect(patch.ok && patch.value.touches.length).toBe(9_000);
    expect(read(ofGit(`a/${'x '.repeat(1_000_000)}`, 'b/y')).ok).toBe(false);
    expect(read(`--- a/${'x'.repeat(1_000_000)}\n`).ok).toBe(false);
  });
});

needs('git').describe('a diff of git', () => {
  test('is read as git reads it', () => {
    const nowhere = folder();
    fc.assert(
      fc.property(
        change,
        fc.constantFrom('-U3', '-U1', '--no-renames', '--irreversible-delete'),
        ({ before, after }, option) => {
          const bytes = diffOf(before, after, option);
          if (bytes.length === 0) return;
          const patch = readPatch(bytes);
          expect(patch).toMatchObject({ ok: true });
          if (!patch.ok) return;
          expect(isPatch(bytes)).toBe(true);
          const numstat = git(nowhere, ['apply', '--numstat', '-z', '-'], bytes);
          expect(readAlike(patch.value, numstat) || numstat.toString()).toBe(true);
          expect(summaryOf(patch.value.touches)).toEqual(
            summary(git(nowhere, ['apply', '--summary', '-'], bytes).toString()),
          );
        },
      ),
      { numRuns: 12 },
    );
    rmSync(nowhere, { recursive: true });
  }, 60_000);
});

/** What `git apply --summary` says, by its first words. */
function summary(text: string): string[] {
  return text
    .split('\n')
    .flatMap((line) => /^ (create|delete|rename|copy|mode change)/.exec(line)?.[1] ?? [])
    .map((word) => word.replace('mode change', 'mode'));
}

function summaryOf(touches: readonly Touch[]): string[] {
  return touches.flatMap(({ kind, executable }) => [
    ...(kind === 'modify' ? [] : [kind]),
    ...(executable !== undefined && kind !== 'create' ? ['mode'] : []),
  ]);
}
