import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { runHere } from '../../../src/node/halting/process.ts';
import { until } from '../../until.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-hook-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const sh = (script: string, withinMs = 20_000, signal?: AbortSignal): ReturnType<typeof runHere> =>
  runHere(['sh', '-c', script, folder], { withinMs, env: { HAUKI_EPOCH: '7' }, ...(signal ? { signal } : {}) });

function isGone(file: string): boolean {
  const pid = readFileSync(join(folder, file), 'utf8').trim();
  if (!existsSync(`/proc/${pid}/stat`)) return true;
  return / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

describe('a hook', () => {
  it('sees its environment, and what it prints comes back', async () => {
    expect(await sh('echo epoch $HAUKI_EPOCH')).toEqual({ stdout: 'epoch 7\n' });
  });

  it('that fails says how, with its last words', async () => {
    const { why } = await sh('echo first >&2; echo "could not\n connect" >&2; exit 3');
    expect(why).toMatch(/^sh ended with code 3 after \d+ ms: first could not connect$/);
    expect((await sh('kill -SEGV $$')).why).toBe('sh was ended by SIGSEGV');
    expect((await runHere(['no-such-program'], { withinMs: 1_000 })).why).toMatch(/could not be started: .*ENOENT/);
  });

  it('that hangs is killed with all its children, deaf ones too', async () => {
    const { why } = await sh(
      'sh -c "trap \'\' TERM; echo \\$\\$ > $0/child; while :; do sleep 1; done" "$0" & trap "" TERM; while :; do sleep 1; done',
      400,
    );
    expect(why).toMatch(/^sh did not end within 400 ms and was killed/);
    await until(() => isGone('child'), 'the child is gone');
  });

  it('is done when it ends, though something in the background holds its output open', async () => {
    const { why } = await sh('sleep 30 & echo $! > $0/child; exit 0');
    expect(why).toBeUndefined();
    process.kill(Number(readFileSync(join(folder, 'child'), 'utf8')));
  });

  it('ends when it is called off, and does not begin when it was before', async () => {
    const off = new AbortController();
    const running = sh('echo $$ > $0/self; sleep 30', 20_000, off.signal);
    await until(() => existsSync(join(folder, 'self')), 'it runs');
    off.abort();
    expect((await running).why).toMatch(/^sh was called off/);
    expect(isGone('self')).toBe(true);
    expect((await sh('touch $0/again', 20_000, off.signal)).why).toBe('called off');
    expect(existsSync(join(folder, 'again'))).toBe(false);
  });

  it('cannot fill the memory with what it prints', async () => {
    const { stdout, why } = await sh(
      'head -c 20000000 /dev/zero | tr "\\0" x; head -c 20000000 /dev/zero | tr "\\0" y >&2; exit 1',
    );
    expect(stdout.length).toBe(64 * 1024);
    expect(why?.length).toBeLessThan(400);
  });
});
