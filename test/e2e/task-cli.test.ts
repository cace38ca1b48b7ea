import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { until } from '../until.ts';
import { needs } from '../needs.ts';
import { type Tasks, tasksAt } from './tasks.ts';

/* Signatures, and `hauki task`, with a real ssh-keygen, a real node and a real controller. */

interface Signed extends Tasks {
  readonly key: (name: string) => string;
  readonly file: (name: string, text: string) => string;
}

/** A node that lets alice sign. */
async function signedAt(): Promise<Signed> {
  const tasks = await tasksAt({ signers: '/nowhere' }, true);
  const { own, node } = tasks;
  const key = (name: string): string => {
    const path = join(own.folder, `key-${name}`);
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', path]);
    return path;
  };
  const alice = key('alice');
  const signers = join(own.folder, 'allowed_signers');
  writeFileSync(signers, `alice@example.org namespaces="hauki-task" ${readFileSync(`${alice}.pub`, 'utf8')}`);
  const config = join(node.home, 'node.yaml');
  node.signal('SIGTERM');
  await node.running.done;
  writeFileSync(config, readFileSync(config, 'utf8').replace('/nowhere', signers));
  node.start();
  await until(async () => /linked/.test(node.running.stderr()), 'it is linked');
  return {
    ...tasks,
    key: (name) => (name === 'alice' ? alice : key(name)),
    file: (name, text) => {
      const path = join(own.folder, name);
      writeFileSync(path, text);
      return path;
    },
  };
}

needs('ssh-keygen').describe('hauki task', () => {
  test(
    'drops, signs, tells, follows and shows; what is not signed by who may is denied',
    { timeout: 120_000 },
    async () => {
      const { own, node, spool, ended, drop, key, file, count, counting, names } = await signedAt();
      const alice = key('alice');
      const hauki = (...args: readonly string[]): ReturnType<typeof own.run> =>
        own.run(args, { env: { HAUKI_NODE_HOME: node.home, HAUKI_CONTROLLER: `unix:${own.home}/controller.sock` } });

      const good = file('third_strike.task', counting('good', 'echo line 1; sleep 0.3; echo line 2 >&2'));
      const dropped = await hauki('task', 'drop', 'crm', good, '--sign', alice, '--json');
      expect(JSON.parse(dropped.stdout)).toMatchObject({ status: 'dropped', signed: true, told: true });
      const followed = await hauki(
        'task',
        'logs',
        '-f',
        'crm',
        'third_strike.task',
        '--spool',
        join(own.folder, 'none'),
      );
      expect([followed.code, followed.stdout]).toEqual([
        0,
        'hauki: Directory Lock secured. Executing code surgery: third_strike.task\nline 1\nline 2\n',
      ]);
      expect(followed.stderr).toContain('Surgery third_strike.task COMPLETED flawlessly.');
      expect(await ended('third_strike.task', 'done')).toMatchObject({ signer: 'alice@example.org' });
      expect((await hauki('task', 'show', 'crm', 'third_strike.task')).stdout).toMatch(
        /outcome +done[^]*signed by +alice@example.org/,
      );
      const bare = {
        env: { HAUKI_NODE_HOME: join(own.folder, 'elsewhere'), HAUKI_CONTROLLER: `unix:${own.home}/controller.sock` },
      };
      expect((await own.run(['task', 'list', 'crm'], bare)).stdout).toMatch(/third_strike.task +committed/);

      // Signed by a stranger; for another purpose; another file's; changed afterwards; not at all.
      const text = counting('bad', 'true');
      await hauki('task', 'drop', 'crm', file('stranger', text), '--sign', key('mallory'));
      expect((await ended('stranger', 'denied')).reason).toMatchObject({ code: 'task_unsigned' });
      execFileSync('ssh-keygen', ['-Y', 'sign', '-f', alice, '-n', 'file', file('purpose', text)], { stdio: 'pipe' });
      copyFileSync(join(own.folder, 'purpose.sig'), join(spool, 'inbox', 'purpose.sig'));
      drop('purpose', text);
      expect((await ended('purpose', 'denied')).reason).toMatchObject({ code: 'task_unsigned' });
      copyFileSync(join(spool, 'done', 'third_strike.task.sig'), join(spool, 'inbox', 'changed.sig'));
      drop('changed', `${readFileSync(good, 'utf8')}\n`);
      expect((await ended('changed', 'denied')).reason).toMatchObject({
        code: 'task_unsigned',
        message: expect.stringMatching(/does not hold/) as string,
      });
      drop('unsigned', text);
      expect((await ended('unsigned', 'denied')).reason).toMatchObject({
        code: 'task_unsigned',
        message: 'The task is not signed.',
      });
      writeFileSync(join(spool, 'inbox', 'garbage.sig'), 'garbage');
      drop('garbage', text);
      expect((await ended('garbage', 'denied')).reason?.code).toBe('task_unsigned');

      // A header that says its name holds a signature to it.
      const named = file('named', counting('bad', 'true', '#hauki name: named\n'));
      await hauki('task', 'drop', 'crm', named, '--as', 'other', '--sign', alice);
      expect((await ended('other', 'denied')).reason).toMatchObject({
        code: 'task_invalid',
        message: expect.stringMatching(/says that it is/) as string,
      });
      // A signature that comes after its task is waited for.
      drop('late', readFileSync(good, 'utf8'));
      copyFileSync(join(spool, 'done', 'third_strike.task.sig'), join(spool, 'inbox', 'late.sig'));
      await ended('late', 'done');

      expect([count('good'), count('bad')]).toEqual([2, 0]);
      expect(names('inbox')).toEqual([]);
      const failing = file('failing', '#!/bin/sh\necho before; exit 9\n');
      await hauki('task', 'drop', 'crm', failing, '--sign', alice);
      expect((await hauki('task', 'logs', '-f', 'crm', 'failing')).code).toBe(70);
      expect((await hauki('task', 'logs', 'crm', 'failing')).stdout).toContain('before\n');
      expect((await hauki('task', 'logs', '-f', 'crm', 'unsigned')).code).toBe(75);
      const shown = await hauki('task', 'show', 'crm', 'unsigned');
      expect(shown.stdout).toMatch(/denied[^]*next +Sign it/);
      const list = await hauki('task', 'list', 'crm');
      expect(list.stdout).toMatch(
        /failing +failed +Surgery failing FAILED and was undone: failing ended with exit code 9\./,
      );

      // One that waits is the one that is meant, and then what became of it, not of the one before.
      node.signal('SIGTERM');
      await node.running.done;
      drop('failing', text);
      expect((await hauki('task', 'show', 'crm', 'failing')).stdout).toMatch(/state +waits/);
      const early = await hauki('task', 'logs', 'crm', 'failing');
      expect([early.code, early.stdout]).toEqual([75, '']);
      node.start();
      expect((await hauki('task', 'logs', '-f', 'crm', 'failing')).code).toBe(75);
      expect((await hauki('task', 'show', 'crm', 'failing')).stdout).toMatch(/outcome +denied/);
    },
  );

  test(
    'drops by the controller where the spool is not at hand, and only what is signed',
    { timeout: 60_000 },
    async () => {
      const { own, node, ended, key, file, counting, count, names } = await signedAt();
      const alice = key('alice');
      const socket = `unix:${own.home}/controller.sock`;
      const drop = async (path: string, ...more: readonly string[]): Promise<readonly unknown[]> => {
        const env = { HAUKI_NODE_HOME: join(own.folder, 'elsewhere'), HAUKI_CONTROLLER: socket };
        const { code, stdout } = await own.run(['task', 'drop', 'crm', path, ...more, '--json'], { env });
        const said = JSON.parse(stdout) as { readonly status: string; readonly code?: string };
        return [code, said.code ?? said.status];
      };
      const largest = counting('large', 'exit 0\n');
      const padded = (bytes: number): string => largest + 'x'.repeat(bytes - Buffer.byteLength(largest));
      const large = file('as large as can be', padded(128 * 1024));
      expect(await drop(large, '--sign', alice)).toEqual([0, 'dropped']);
      expect(await ended('as large as can be', 'done')).toMatchObject({ signer: 'alice@example.org' });
      expect(await drop(file('too large', padded(128 * 1024 + 1)), '--sign', alice)).toEqual([75, 'task_invalid']);

      const text = counting('bad', 'true');
      expect(await drop(file('unsigned', text))).toEqual([75, 'task_unsigned']);
      expect(await drop(file('stranger', text), '--sign', key('mallory'))).toEqual([75, 'task_unsigned']);
      const named = file('named', counting('bad', 'true', '#hauki name: named\n'));
      expect(await drop(named, '--sign', alice, '--as', 'other')).toEqual([75, 'task_invalid']);
      const records = await own.run(['audit', 'export']);
      expect(records.stdout.match(/"access_denied"[^\n]*task (?:unsigned|stranger|other) for node crm/g)).toHaveLength(
        3,
      );

      // Two of one name at once: each is either taken and run, or told that the other waits.
      const one = file('twice', counting('twice', 'sleep 2'));
      const both = await Promise.all([drop(one, '--sign', alice), drop(one, '--sign', alice)]);
      for (const said of both)
        expect([
          [0, 'dropped'],
          [75, 'name_taken'],
        ]).toContainEqual(said);
      await ended('twice', 'done');
      const taken = both.filter(([code]) => code === 0).length;
      await until(() => count('twice') === taken, 'each that was taken has run');

      node.signal('SIGTERM');
      await node.running.done;
      expect(await drop(one, '--sign', alice)).toEqual([75, 'node_lost']);
      expect([count('large'), count('bad')]).toEqual([1, 0]);
      expect(names('inbox')).toEqual([]);
    },
  );

  test('refuses what cannot be dropped, and says what to do', async () => {
    const { own, node, file } = await signedAt();
    const refused = async (...args: readonly string[]): Promise<unknown[]> => {
      const { code, stdout } = await own.run(['task', ...args, '--json'], {
        env: { HAUKI_NODE_HOME: node.home, HAUKI_CONTROLLER: `unix:${own.home}/controller.sock` },
      });
      return [code, (JSON.parse(stdout) as { code?: string }).code];
    };
    const task = file('task', '#!/bin/sh\n');
    expect(await refused('drop', 'crm', join(own.folder, 'absent'))).toEqual([75, 'file_failed']);
    expect(await refused('drop', 'crm', task, '--as', 'a\nb')).toEqual([75, 'task_invalid']);
    expect(await refused('drop', 'crm', file('rubbish', 'x'))).toEqual([75, 'task_invalid']);
    expect(await refused('drop', 'crm', file('typo', '#!/bin/sh\n#hauki modus: x\n'))).toEqual([75, 'task_invalid']);
    expect(await refused('drop', 'crm', task, '--sign', join(own.folder, 'absent'))).toEqual([75, 'task_unsigned']);
    expect(await refused('drop', 'crm', task, '--spool', join(own.folder, 'absent'))).toEqual([64, 'spool_missing']);
    expect(await refused('drop', 'other', task)).toEqual([75, 'node_unknown']);
    expect(await refused('show', 'crm', 'absent')).toEqual([75, 'task_unknown']);
    expect(await refused('logs', 'crm', 'absent')).toEqual([75, 'task_unknown']);
  });
});
