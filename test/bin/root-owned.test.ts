import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { changeableByOthers } from '../../src/bin/root-owned.ts';
import { needs } from '../needs.ts';

const NOBODY = 65_534;

/** `<folder>/opt/program`, all of root's. */
function program(): { readonly opt: string; readonly file: string } {
  // Below a folder that everybody writes to, where nobody replaces what is another's.
  const folder = mkdtempSync(join(tmpdir(), 'hauki-owned-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const opt = join(folder, 'opt');
  mkdirSync(opt, { mode: 0o755 });
  const file = join(opt, 'program');
  writeFileSync(file, '');
  chmodSync(file, 0o755);
  return { opt, file };
}

needs('root').describe('a program that root runs', () => {
  test('is root’s alone', () => {
    expect(changeableByOthers(program().file)).toBeUndefined();
  });

  test.each([
    ['a file that all may write', 'file', (path: string) => chmodSync(path, 0o777)],
    ['a file of somebody else', 'file', (path: string) => chownSync(path, NOBODY, 0)],
    ['a folder that a group may write', 'opt', (path: string) => chmodSync(path, 0o775)],
    ['a folder of somebody else', 'opt', (path: string) => chownSync(path, NOBODY, 0)],
  ] as const)('is not: %s', (_, which, open) => {
    const one = program();
    open(one[which]);
    expect(changeableByOthers(one.file)).toBe(one[which]);
  });
});
