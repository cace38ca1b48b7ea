import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { keyFrom } from '../../src/bin/vault-key.ts';
import { needs } from '../needs.ts';
import { smallDisk } from '../small-disk.ts';

test('a key is made in a file of its own, closed to others, and is the same from then on', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-key-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'vault.key');
  const { key, made } = keyFrom(file);
  expect([made, readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual([true, `${key}\n`, 0o600]);
  expect(keyFrom(file)).toEqual({ key, made: false });
  expect(readdirSync(folder)).toEqual(['vault.key']);
  expect(() => keyFrom(join(folder, 'none', 'vault.key'))).toThrow('cannot be made: ENOENT');
});

needs('root').describe('where there is no space', () => {
  const disk = smallDisk(1024 * 1024);

  test('no file is left that holds no key', () => {
    const [file, filler] = [join(disk, 'vault.key'), join(disk, 'filler')];
    writeFileSync(filler, '');
    expect(() => {
      for (;;) appendFileSync(filler, Buffer.alloc(1_024));
    }).toThrow('ENOSPC');
    expect(() => keyFrom(file)).toThrow('cannot be made: ENOSPC');
    expect([existsSync(file), readdirSync(disk).filter((name) => name.includes('key'))]).toEqual([false, []]);
    rmSync(filler);
    expect(keyFrom(file).made).toBe(true);
  });
});
