import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { runForeground } from '../../src/node/foreground.ts';

/* How a command's end becomes a code, as in a shell. What signals and terminals do is in test/e2e/guard-signals.test.ts. */

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-foreground-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (...argv: [string, ...string[]]) => runForeground(argv, { env: process.env, stdio: 'ignore' });

describe('the end of a command', () => {
  test.each([0, 1, 7, 64, 255])('exit %i', async (code) => {
    expect(await run('sh', '-c', `exit ${code}`)).toEqual({ code });
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGKILL', 137],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const)('%s', async (signal, code) => {
    expect(await run('sh', '-c', `kill -${signal.slice(3)} $$`)).toEqual({ code, signal });
  });

  test('not found', async () => {
    expect(await run('no-such-program-anywhere')).toMatchObject({
      code: 127,
      error: 'no-such-program-anywhere: not found',
    });
    expect(await run(join(folder, 'missing'))).toMatchObject({ code: 127 });
  });

  test('not executable', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, '#!/bin/sh\n', { mode: 0o644 });
    expect(await run(path)).toMatchObject({ code: 126, error: expect.stringContaining('EACCES') as string });
    expect(await run(folder)).toMatchObject({ code: 126 });
  });
});

test('its words are words, and no shell looks at them', async () => {
  const out = join(folder, 'out');
  const words = ['$(touch pwned)', '`id`', '; exit 3', '*', 'a b', '', '"\'\\', '\n'];
  const argv = [
    process.execPath,
    '-e',
    `require('fs').writeFileSync(process.argv[1], JSON.stringify(process.argv.slice(2)))`,
    out,
    ...words,
  ];
  expect(await runForeground(argv as [string, ...string[]], { env: process.env, stdio: 'ignore' })).toEqual({
    code: 0,
  });
  expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(words);
  expect(existsSync('pwned')).toBe(false);
});

test('afterwards nobody listens for signals any more', async () => {
  const count = (): number =>
    ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'].reduce(
      (sum, signal) => sum + process.listenerCount(signal),
      0,
    );
  const before = count();
  await run('true');
  await run('no-such-program-anywhere');
  expect(count()).toBe(before);
});
