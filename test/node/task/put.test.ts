import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { RefusedError } from '../../../src/base/refusal.ts';
import { putTask } from '../../../src/node/task/put.ts';
import { needs } from '../../needs.ts';

let inbox = '';
beforeEach(() => {
  inbox = mkdtempSync(join(tmpdir(), 'hauki-put-'));
});
afterEach(() => rmSync(inbox, { recursive: true }));

const SFTP_SERVER = '/usr/lib/openssh/sftp-server';

/** @returns `put`, or the code of the refusal */
function put(name: string, by: string, isSigned = true, into = inbox): Promise<string> {
  const signature = isSigned ? Buffer.from(`signature of ${by}`) : undefined;
  return putTask(into, { name, bytes: Buffer.from(`task of ${by}`), signature }).then(
    () => 'put',
    (error: unknown) => (error instanceof RefusedError ? error.code : String(error)),
  );
}

function textOf(name: string, folder = inbox): string | undefined {
  return existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : undefined;
}

/** Several at once, by turns signed and not. */
async function race(name: string, folder = inbox): Promise<void> {
  const who = ['a', 'b', 'c', 'd'];
  const told = await Promise.all(who.map((by, index) => put(name, by, index % 2 === 0, folder)));
  expect(told.toSorted()).toEqual(['name_taken', 'name_taken', 'name_taken', 'put']);
  const winner = told.indexOf('put');
  const by = who[winner] ?? '';
  expect([textOf(name, folder), textOf(`${name}.sig`, folder)]).toEqual([
    `task of ${by}`,
    winner % 2 === 0 ? `signature of ${by}` : undefined,
  ]);
}

test('of several that drop one name at once one is told that it did, and lies there with its own signature', async () => {
  for (let round = 0; round < 20; round += 1) await race(`task ${round}`);
  expect(readdirSync(inbox).filter((name) => name.startsWith('.'))).toEqual([]);
});

test('one that was killed in the middle keeps its name from others for a minute', async () => {
  const mark = join(inbox, '.drop-x');
  writeFileSync(mark, '');
  writeFileSync(join(inbox, 'x.sig'), 'signature of the killed one');
  expect(await put('x', 'a')).toBe('name_taken');
  expect(readdirSync(inbox).toSorted()).toEqual(['.drop-x', 'x.sig']);
  const earlier = Date.now() / 1_000 - 61;
  utimesSync(mark, earlier, earlier);
  expect(await put('x', 'a')).toBe('put');
  expect(readdirSync(inbox).toSorted()).toEqual(['x', 'x.sig']);
  expect(textOf('x.sig')).toBe('signature of a');
});

test('a name as long as a task can have is none too long', async () => {
  expect(await put('x'.repeat(200), 'a')).toBe('put');
});

needs('sshfs', 'gocryptfs').describe('where there are no hard links', () => {
  test('one of several is told that it dropped it all the same', async (context) => {
    if (!existsSync(SFTP_SERVER)) context.skip('sftp-server is not installed; apt-get install openssh-sftp-server');
    const [far, near, ssh] = [join(inbox, 'far'), join(inbox, 'near'), join(inbox, 'ssh')];
    for (const folder of [far, near]) mkdirSync(folder);
    writeFileSync(ssh, `#!/bin/sh\nexec ${SFTP_SERVER}\n`, { mode: 0o755 });
    const mounted = spawnSync('sshfs', [`none:${far}`, near, '-o', `ssh_command=${ssh},disable_hardlink`]);
    expect([mounted.status, String(mounted.stderr)]).toEqual([0, '']);
    try {
      for (let round = 0; round < 5; round += 1) await race(`task ${round}`, near);
    } finally {
      spawnSync('fusermount3', ['-uz', near]);
    }
  });
});
