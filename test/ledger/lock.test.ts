import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { acquire } from '../../src/ledger/sqlite/lock.ts';
import { bundle } from './process/bundle.ts';

let program = '';
let home = '';
const children: ChildProcess[] = [];

beforeAll(async () => {
  program = await bundle('holder');
}, 30_000);
afterAll(() => rmSync(program, { force: true }));
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hauki-lock-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

describe('the lock of a HAUKI_HOME', () => {
  test('excludes a second holder in the same process, and frees on release', () => {
    const first = acquire(home);
    if (!first.ok) throw new Error(first.error.message);
    expect(acquire(home)).toMatchObject({ ok: false, error: { code: 'home_locked', evidence: { pid: process.pid } } });
    first.value();
    first.value();
    const second = acquire(home);
    expect(second.ok).toBe(true);
    if (second.ok) second.value();
    expect(existsSync(join(home, 'controller.pid'))).toBe(false);
  });

  test('is not lost by a second attempt in the same process', { timeout: 20_000 }, async () => {
    const lock = acquire(home);
    acquire(home);
    expect((await hold()).said).toContain('home_locked');
    if (lock.ok) lock.value();
  });

  test('makes the home, readable by nobody else', () => {
    const deep = join(home, 'not/there/yet');
    const lock = acquire(deep);
    expect(lock.ok).toBe(true);
    if (lock.ok) lock.value();
    expect(statSync(deep).mode & 0o777).toBe(0o700);
  });

  test('excludes another process, which names the holder', { timeout: 20_000 }, async () => {
    const { child, said } = await hold();
    expect(said).toBe('held');
    const refused = acquire(home);
    expect(refused).toMatchObject({
      ok: false,
      error: {
        code: 'home_locked',
        message: expect.stringContaining(`process ${child.pid}`) as string,
        evidence: { pid: child.pid },
      },
    });
    // Long enough for its garbage to be collected more than once.
    await sleep(100);
    // And the other way round: a third one is told the same.
    expect((await hold()).said).toContain('home_locked');
  });

  test('is free at once when its holder is killed with SIGKILL', { timeout: 20_000 }, async () => {
    const { child } = await hold();
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
    const lock = acquire(home);
    expect(lock.ok).toBe(true);
    if (lock.ok) lock.value();
  });
});

async function hold(): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, ['--expose-gc', program, home], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [text] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: text.toString().trim() };
}
