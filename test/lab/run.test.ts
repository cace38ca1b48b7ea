import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { tryLock } from '../../lab/lock.ts';
import { cacheFolder, openRun } from '../../lab/run.ts';

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-lab-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('the cache is where it was asked for, else where caches are', () => {
  expect(cacheFolder({ HAUKI_LAB_CACHE: '/var/tmp/lab', XDG_CACHE_HOME: '/var/cache' })).toBe('/var/tmp/lab');
  expect(cacheFolder({ XDG_CACHE_HOME: '/var/cache' })).toBe('/var/cache/hauki-lab');
  // The specification of XDG: a relative path is to be ignored.
  expect(cacheFolder({ XDG_CACHE_HOME: 'cache' })).toMatch(/^\/.*\/\.cache\/hauki-lab$/);
});

test('a lock is held by one, and free again when it is closed', () => {
  const file = join(freshFolder(), 'lock');
  const held = tryLock(file);
  expect(held).toBeDefined();
  expect(tryLock(file)).toBeUndefined();
  held?.close();
  const again = tryLock(file);
  expect(again).toBeDefined();
  again?.close();
});

test('a run keeps its logs and takes its disks with it', () => {
  const run = openRun(freshFolder(), new Date(0));
  writeFileSync(join(run.logs, 'console-1.log'), '');
  run.close();
  expect(existsSync(join(run.logs, 'console-1.log'))).toBe(true);
  expect(existsSync(run.scratch)).toBe(false);
  expect(existsSync(run.sockets)).toBe(false);
});

test('disks of a killed run are removed by the next, those of a running one are not', () => {
  const cache = freshFolder();
  const running = openRun(cache, new Date(0));
  const killed = join(cache, 'runs/1970-01-01T000000-killed/scratch');
  mkdirSync(killed, { recursive: true });
  const sockets = freshFolder();
  symlinkSync(sockets, join(killed, 'sockets'));
  const next = openRun(cache, new Date(1));
  expect(existsSync(killed)).toBe(false);
  expect(existsSync(sockets)).toBe(false);
  expect(existsSync(running.scratch)).toBe(true);
  next.close();
  running.close();
});
