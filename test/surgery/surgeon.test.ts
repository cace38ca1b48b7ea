import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Refusal } from '../../src/base/refusal.ts';
import type { Result } from '../../src/base/result.ts';
import { Folders } from '../../src/surgery/folders.ts';
import { Stage } from '../../src/surgery/stage.ts';
import { applyPatch, checkPatch, type Patch, readPatch } from '../../src/surgery/surgeon.ts';
import { needs } from '../needs.ts';
import { diffOf, type Files, folder, read, write } from './git-tree.ts';
import { change } from './trees.ts';

// git and cp are started hundreds of times.
vi.setConfig({ testTimeout: 60_000 });

let root = '';
beforeEach(() => {
  root = folder();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const LINES = Array.from({ length: 20 }, (_, at) => `line ${at}\n`).join('');
const CHANGED = LINES.replace('line 9', 'line nine');

function patchOf(bytes: Buffer | string): Patch {
  const patch = readPatch(Buffer.from(bytes));
  if (!patch.ok) throw new Error(patch.error.message);
  return patch.value;
}
const file = (content: string | Buffer, executable = false): Files[string] => ({ content, executable });
const between = (before: Files, after: Files): Patch => patchOf(diffOf(before, after));
const code = (result: Result<void, Refusal>): string => (result.ok ? 'ok' : result.error.code);
const leftovers = (): string[] =>
  readdirSync(root, { recursive: true })
    .map(String)
    .filter((name) => name.includes('.hauki'));

needs('git').describe('a diff is applied', () => {
  test('whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(change, async ({ before, after }) => {
        const bytes = diffOf(before, after);
        if (bytes.length === 0) return;
        const tree = join(root, 'tree');
        rmSync(tree, { recursive: true, force: true });
        mkdirSync(tree);
        write(tree, before);
        expect(await checkPatch(patchOf(bytes), tree)).toEqual({ ok: true, value: undefined });
        const untouched = join(root, 'reference');
        rmSync(untouched, { recursive: true, force: true });
        mkdirSync(untouched);
        write(untouched, before);
        expect(read(tree)).toEqual(read(untouched));
        expect(await applyPatch(patchOf(bytes), tree)).toEqual({ ok: true, value: undefined });
        rmSync(untouched, { recursive: true, force: true });
        mkdirSync(untouched);
        write(untouched, after);
        expect(read(tree)).toEqual(read(untouched));
      }),
      { numRuns: 10 },
    );
  });

  test('in the middle of a git repository, and with settings of the user that would change it', async () => {
    write(root, {
      '.gitattributes': file('* text eol=crlf\n'),
      'sub/f': file(LINES),
      '.git/config': file('[core]\n\tautocrlf = true\n'),
      '.git/HEAD': file('ref: refs/heads/x\n'),
      '.git/objects/x': file(''),
      '.git/refs/x': file(''),
    });
    expect(await applyPatch(between({ f: file(LINES) }, { f: file(CHANGED) }), join(root, 'sub'))).toMatchObject({
      ok: true,
    });
    expect(readFileSync(join(root, 'sub/f'), 'utf8')).toBe(CHANGED);
  });

  test('whole or not at all, stopped after any step', async () => {
    const before = { 'a/one': file(LINES), 'b/two': file(LINES), 'c/three': file('gone'), 'd/from': file(LINES) };
    const after = { 'a/one': file(CHANGED), 'b/two': file(LINES, true), 'n/e/w': file('new'), 'e/to': file(LINES) };
    const patch = between(before, after);
    write(root, before);
    const first = read(root);
    const folders = readdirSync(root, { recursive: true }).map(String).toSorted();
    let steps = 0;
    for (let stopAt = 1; ; stopAt += 1) {
      let seen = 0;
      const signal = new AbortController().signal;
      signal.throwIfAborted = () => {
        seen += 1;
        if (seen === stopAt) throw new Error('stopped');
      };
      const result = await applyPatch(patch, root, signal);
      expect(leftovers()).toEqual([]);
      if (result.ok) break;
      steps += 1;
      expect(result.error).toMatchObject({ code: 'patch_failed' });
      expect(read(root)).toEqual(first);
      expect(readdirSync(root, { recursive: true }).map(String).toSorted()).toEqual(folders);
    }
    // Before anything, and before each of six files is made ready and put in its place.
    expect(steps).toBeGreaterThan(10);
    expect(existsSync(join(root, 'c'))).toBe(false);
    expect(readFileSync(join(root, 'n/e/w'), 'utf8')).toBe('new');
  });

  test('only to what it was made from', async () => {
    const patch = between({ f: file(LINES), g: file('x\n') }, { f: file(CHANGED), g: file('y\n') });
    for (const files of [
      { f: file(LINES) },
      { f: file(LINES), g: file('z\n') },
      { f: file(LINES.replace('line 8', 'LINE 8')), g: file('x\n') },
    ]) {
      rmSync(root, { recursive: true });
      mkdirSync(root);
      write(root, files);
      const before = read(root);
      for (const act of [checkPatch, applyPatch]) expect(code(await act(patch, root))).toBe('patch_mismatch');
      expect(read(root)).toEqual(before);
    }
    const made = between({}, { g: file('new') });
    expect(code(await checkPatch(made, root))).toBe('patch_mismatch');
    expect(code(await checkPatch(made, join(root, 'none')))).toBe('patch_failed');
  });

  test('a file that somebody changes meanwhile is left to him', async () => {
    write(root, { f: file(LINES), g: file(LINES) });
    const signal = new AbortController().signal;
    let seen = 0;
    signal.throwIfAborted = () => {
      seen += 1;
      if (seen === 4) writeFileSync(join(root, 'g'), 'his own');
    };
    const patch = between({ f: file(LINES), g: file(LINES) }, { f: file(CHANGED), g: file(CHANGED) });
    expect(code(await applyPatch(patch, root, signal))).toBe('patch_mismatch');
    expect([readFileSync(join(root, 'f'), 'utf8'), readFileSync(join(root, 'g'), 'utf8')]).toEqual([LINES, 'his own']);
  });

  test('by the folder it has made, whatever is put in the place of that', async () => {
    const outside = folder();
    for (const stopAt of [2, 3]) {
      write(root, { f: file(LINES) });
      write(outside, { 'tree/f': file('evil'), 'old/0': file('theirs') });
      const theirs = read(outside);
      const signal = new AbortController().signal;
      let seen = 0;
      signal.throwIfAborted = () => {
        seen += 1;
        if (seen !== stopAt) return;
        const stage = readdirSync(root).find((name) => name.startsWith('.hauki')) ?? '';
        renameSync(join(root, stage), join(root, 'moved'));
        symlinkSync(outside, join(root, stage));
      };
      expect(code(await applyPatch(between({ f: file(LINES) }, { f: file(CHANGED) }), root, signal))).toBe('ok');
      expect(readFileSync(join(root, 'f'), 'utf8')).toBe(CHANGED);
      expect(read(outside)).toEqual(theirs);
      expect(readdirSync(join(root, 'moved'))).toEqual([]);
      rmSync(root, { recursive: true });
      mkdirSync(root);
    }
    rmSync(outside, { recursive: true });
  });

  test('by the very file that was looked at', async () => {
    write(root, { f: file(LINES), secret: file('secret') });
    const patch = between({ f: file(LINES) }, { f: file(CHANGED) });
    for (const put of [linkSync, (_: string, to: string) => symlinkSync('secret', to)]) {
      const folders = new Folders(root);
      const look = folders.file.bind(folders);
      folders.file = async (path) => {
        const found = await look(path);
        rmSync(join(root, path));
        put(join(root, 'secret'), join(root, path));
        return found;
      };
      const stage = new Stage(root, folders);
      await expect(stage.fill(patch)).rejects.toMatchObject({ refusal: { code: 'patch_mismatch' } });
      await stage.remove();
      folders.close();
      expect(leftovers()).toEqual([]);
      rmSync(join(root, 'f'));
      write(root, { f: file(LINES) });
    }
  });

  test('through no symbolic link, and to nothing but files', async () => {
    const outside = folder();
    write(outside, { f: file(LINES) });
    write(root, { 'real/f': file(LINES) });
    symlinkSync(outside, join(root, 'out'));
    symlinkSync('real', join(root, 'in'));
    symlinkSync(join(outside, 'f'), join(root, 'link'));
    mkdirSync(join(root, 'folder/f'), { recursive: true });
    execFileSync('mkfifo', [join(root, 'fifo')]);
    for (const [path, why] of [
      ['out/f', '"out" is a symbolic link'],
      ['in/f', '"in" is a symbolic link'],
      ['link', 'it is a symbolic link'],
      ['folder/f', 'it is a folder'],
      ['fifo', 'no regular file'],
      ['real/f/x', 'no folder'],
    ] as const) {
      const patches = [
        between({ [path]: file(LINES) }, { [path]: file(CHANGED) }),
        between({}, { [path]: file(LINES) }),
        between({ [path]: file(LINES) }, {}),
      ];
      for (const patch of patches) {
        const result = await checkPatch(patch, root);
        expect([path, code(result)]).toEqual([path, 'patch_refused']);
        expect(!result.ok && result.error.message).toContain(why);
        expect(code(await applyPatch(patch, root))).toBe('patch_refused');
      }
    }
    expect(readFileSync(join(outside, 'f'), 'utf8')).toBe(LINES);
    rmSync(outside, { recursive: true });
  });

  test('of a file with two names only the one that is meant', async () => {
    write(root, { f: file(LINES) });
    linkSync(join(root, 'f'), join(root, 'other'));
    expect(code(await applyPatch(between({ f: file(LINES) }, { f: file(CHANGED) }), root))).toBe('ok');
    expect([readFileSync(join(root, 'f'), 'utf8'), readFileSync(join(root, 'other'), 'utf8')]).toEqual([
      CHANGED,
      LINES,
    ]);
  });
});

needs('root', 'git', 'xattr', 'acl').describe('as root', () => {
  test('owner, mode, ACL and attributes of a file stay what they were', async () => {
    const before = { 'd/f': file(LINES), 'd/run': file(LINES), 'd/from': file(LINES) };
    write(root, before);
    for (const [name, mode] of [
      ['f', 0o4640],
      ['run', 0o640],
      ['from', 0o600],
    ] as const) {
      const path = join(root, 'd', name);
      chownSync(path, 1234, 4321);
      chmodSync(path, mode);
      execFileSync('setfattr', ['-n', 'user.note', '-v', name, path]);
      execFileSync('setfacl', ['-m', 'u:2345:r', path]);
    }
    const facl = (name: string): string => execFileSync('getfacl', ['-cpn', join(root, 'd', name)]).toString();
    const note = (name: string): string =>
      execFileSync('getfattr', ['--only-values', '-n', 'user.note', join(root, 'd', name)]).toString();
    const [aclF, aclFrom] = [facl('f'), facl('from')];
    const patch = between(before, { 'd/f': file(CHANGED), 'd/run': file(LINES, true), 'd/to': file(LINES) });
    expect(await applyPatch(patch, root)).toEqual({ ok: true, value: undefined });
    const [f, run, to] = ['f', 'run', 'to'].map((name) => lstatSync(join(root, 'd', name)));
    expect([f?.uid, f?.gid, run?.uid, to?.uid]).toEqual([1234, 4321, 1234, 1234]);
    expect([f?.mode, run?.mode].map((mode) => ((mode ?? 0) & 0o7707).toString(8))).toEqual(['4600', '700']);
    expect([facl('f'), facl('to'), note('f'), note('run'), note('to')]).toEqual([aclF, aclFrom, 'f', 'run', 'from']);
  });

  test('a new file takes after its folder', async () => {
    mkdirSync(join(root, 'd'));
    chownSync(join(root, 'd'), 0, 4321);
    chmodSync(join(root, 'd'), 0o2775);
    execFileSync('setfacl', ['-d', '-m', 'u:2345:rw', join(root, 'd')]);
    expect(code(await applyPatch(between({}, { 'd/e/f': file('x') }), root))).toBe('ok');
    expect(lstatSync(join(root, 'd/e/f')).gid).toBe(4321);
    expect(execFileSync('getfacl', ['-cpn', join(root, 'd/e/f')]).toString()).toMatch(/user:2345:rw-(?!.*effective)/);
  });

  test('a full disk leaves every file as it was', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'hauki', root]);
    try {
      const large = Buffer.alloc(300_000, 'x\n');
      const before = { a: file(LINES), b: file(large), c: file(large) };
      write(root, before);
      const state = read(root);
      const patch = between(before, {
        a: file(CHANGED),
        b: file(Buffer.concat([large, Buffer.from('y\n')])),
        c: file(Buffer.concat([large, Buffer.from('y\n')])),
      });
      const result = await applyPatch(patch, root);
      expect(result).toMatchObject({ ok: false, error: { code: 'patch_failed' } });
      expect(!result.ok && result.error.message).toMatch(/ENOSPC|No space/);
      expect([read(root), leftovers()]).toEqual([state, []]);
    } finally {
      execFileSync('umount', [root]);
    }
  });

  test('what is mounted inside is not the dataset', async () => {
    mkdirSync(join(root, 'inner'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'hauki', join(root, 'inner')]);
    try {
      write(root, { 'inner/f': file(LINES) });
      const result = await checkPatch(between({ 'inner/f': file(LINES) }, { 'inner/f': file(CHANGED) }), root);
      expect(!result.ok && result.error.message).toContain('"inner" is another file system');
    } finally {
      execFileSync('umount', [join(root, 'inner')]);
    }
  });
});

test("a file of somebody else's is refused where it would become ours", async () => {
  write(root, { f: file(LINES) });
  const geteuid = vi.spyOn(process, 'geteuid').mockReturnValue(4321);
  try {
    const result = await checkPatch(patchOf('--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-line 0\n+line\n'), root);
    expect(!result.ok && result.error.message).toMatch(/only root could replace it/);
  } finally {
    geteuid.mockRestore();
  }
});
