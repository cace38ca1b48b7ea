import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

import { expect, onTestFinished, test } from 'vitest';

import { keeperOf, nameOf, takeMount } from '../../src/vault/lock.ts';
import { needs } from '../needs.ts';

const NOBODY = 65_534;

/** A process that listens on this name of a socket without a file, and answers whoever connects. */
async function listening(name: string, uid?: number): Promise<number> {
  const script = `require('net').createServer((s) => s.end('1 mount')).listen('\\0' + process.argv[1], () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', script, name], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

test('a mount has one keeper, until that gives it back', async () => {
  const point = `/srv/${randomUUID()}`;
  expect(await keeperOf(point)).toBeUndefined();
  const taken = await takeMount(point, 'mount');
  expect(await keeperOf(point)).toEqual({ pid: process.pid, kind: 'mount' });
  expect(await takeMount(point, 'mount')).toMatchObject({ ok: false, error: { code: 'vault_in_use' } });
  if (taken.ok) taken.value();
  expect(await keeperOf(point)).toBeUndefined();
});

test('another process is seen whichever kind of keeper it is, and named', async () => {
  const point = `/srv/${randomUUID()}`;
  const pid = await listening(`${nameOf(point)}-node`);
  expect(await keeperOf(point)).toEqual({ pid, kind: 'node' });
  const refused = await takeMount(point, 'mount');
  expect(refused.ok ? '' : refused.error.message).toContain(`Process ${pid} looks after`);
  // What it had bound to look round is given back.
  const again = createServer();
  again.listen(`\0${nameOf(point)}-mount`);
  await once(again, 'listening');
  again.close();
});

needs('root').describe('somebody else who has taken the name', () => {
  test('is no keeper, whatever he says', async () => {
    const point = `/srv/${randomUUID()}`;
    await listening(`${nameOf(point)}-mount`, NOBODY);
    expect(await keeperOf(point)).toBeUndefined();
    expect(await takeMount(point, 'mount')).toMatchObject({ ok: false, error: { code: 'vault_in_use' } });
  });
});
