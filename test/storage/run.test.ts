import { existsSync } from 'node:fs';

import { expect, test } from 'vitest';

import { run } from '../../src/storage/run.ts';
import { until } from '../until.ts';

test('gives code, signal and what was said, as bytes', async () => {
  const ran = await run('sh', ['-c', 'printf "\\377"; echo no >&2; exit 3']);
  expect(ran).toEqual({ code: 3, signal: null, stdout: Buffer.from([0xff]), stderr: Buffer.from('no\n') });
  expect(await run('sh', ['-c', 'kill -9 $$'])).toMatchObject({ code: null, signal: 'SIGKILL' });
});

test('hands arguments over as they are, and runs in English', async () => {
  const ran = await run('sh', ['-c', 'printf "%s|" "$@"; printf %s "$LC_ALL"', 'sh', '$(id)', "it's", 'a b', '*']);
  expect(ran.stdout.toString()).toBe("$(id)|it's|a b|*|C");
});

test('feeds a program that reads, and one that does not', async () => {
  expect((await run('cat', [], { stdin: Buffer.from('x'.repeat(200_000)) })).stdout).toHaveLength(200_000);
  expect((await run('true', [], { stdin: Buffer.alloc(10_000_000) })).code).toBe(0);
});

test('a program that is not there, and one that takes too long, are thrown', async () => {
  await expect(run('hauki-no-such-program', [])).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(run('sleep', ['10'], { signal: AbortSignal.timeout(20) })).rejects.toThrow('aborted');
});

test('what cannot be made of its words is thrown, and ends the program', async () => {
  const pids: number[] = [];
  const onStdout = (chunk: Buffer): void => {
    pids.push(Number(chunk));
    throw new Error('no such word');
  };
  await expect(run('sh', ['-c', 'echo $$; exec sleep 60'], { onStdout })).rejects.toThrow('no such word');
  const [pid = 0] = pids;
  await until(() => !existsSync(`/proc/${pid}`), 'the end of the program');
});
