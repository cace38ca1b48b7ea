import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { refusal } from '../../src/base/refusal.ts';
import { err } from '../../src/base/result.ts';
import { mountLayer } from '../../src/vault/layer.ts';
import { openPoint } from '../../src/vault/mount-point.ts';

let folder = '';
let point = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-point-'));
  point = join(folder, 'mnt');
});
afterEach(() => {
  if (existsSync(point)) chmodSync(point, 0o700);
  rmSync(folder, { recursive: true });
});

const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

function made(mode: number, ...names: readonly string[]): void {
  mkdirSync(point);
  for (const name of names) writeFileSync(join(point, name), '');
  chmodSync(point, mode);
}

/** The mode of the bare folder, opened and left again. */
function leftAs(isMounted: boolean): string {
  const bare = openPoint(point);
  if (!bare.ok) throw new Error(bare.error.message);
  expect(modeOf(point)).toBe('700');
  bare.value.leave(isMounted);
  return modeOf(point);
}

test.each([0o1777, 0o755, 0o500, 0])('a folder that is not empty is refused, and stays as open as %o', (mode) => {
  made(mode, 'passwd');
  expect(openPoint(point)).toMatchObject({ ok: false, error: { code: 'mount_point_unusable' } });
  expect(modeOf(point)).toBe(mode.toString(8));
});

test.each([0o1777, 0o755, 0o500, 0])('an empty one of mode %o is closed by a mount, and by nothing else', (mode) => {
  made(mode);
  expect(leftAs(false)).toBe(mode.toString(8));
  expect(leftAs(true)).toBe('0');
  expect(leftAs(false)).toBe('0');
});

test('one that is missing is made, and is nobody’s until something is mounted', () => {
  expect(leftAs(false)).toBe('0');
});

test('what does not come up leaves the folder as it was', async () => {
  made(0o755);
  const plan = {
    ...{ name: 'false', fsType: 'fuse.none', package: 'none', point, args: [], log: join(folder, 'log') },
    explain: () => refusal('vault_key_wrong', 'The key is wrong.'),
  };
  expect(await mountLayer(plan, () => undefined)).toEqual(err(plan.explain()));
  expect(await mountLayer({ ...plan, name: 'no-such-program' }, () => undefined)).toMatchObject({ ok: false });
  expect(modeOf(point)).toBe('755');
});
