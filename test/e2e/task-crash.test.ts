import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { until } from '../until.ts';
import { tasksAt } from './tasks.ts';

/* The node is killed at every step of a task, and starts again: nothing is run twice, nothing is lost without a word. */

describe('a node that is killed', () => {
  test('at each step of a task: it ends once, and what it left is undone', { timeout: 240_000 }, async () => {
    const { own, node, drop, ended, count, counting, names } = await tasksAt();
    const file = join(own.site, 'state');
    const was = readFileSync(file, { flag: 'a+', encoding: 'utf8' });
    const steps = ['claimed', 'waiting', 'cleared', 'remembered', 'worked', 'committed', 'shelved'] as const;
    const found: Record<string, unknown> = {};
    let committed = was;
    for (const step of steps) {
      node.signal('SIGKILL');
      await node.running.done;
      node.start({ env: { HAUKI_FAULT: `task:${step}` } });
      drop(step, counting(step, `echo ${step} >state`));
      await node.running.done;
      expect(node.running.child.signalCode).toBe('SIGKILL');
      node.start();
      const isDone = step === 'committed' || step === 'shelved';
      const result = await ended(step, isDone ? 'done' : 'failed');
      if (isDone) committed = `${step}\n`;
      found[step] = [result.outcome, result.reason?.code, result.stage, count(step)];
      expect(readFileSync(file, 'utf8')).toBe(committed);
      await until(() => names('claimed').length === 0, 'nothing is claimed');
    }
    expect(found).toEqual({
      claimed: ['failed', 'task_interrupted', undefined, 0],
      waiting: ['failed', 'task_interrupted', undefined, 0],
      cleared: ['failed', 'task_interrupted', undefined, 0],
      remembered: ['failed', 'task_interrupted', 'rolled_back', 0],
      worked: ['failed', 'task_interrupted', 'rolled_back', 1],
      committed: ['done', undefined, 'committed', 1],
      shelved: ['done', undefined, 'committed', 1],
    });
    const open = (await own.mutations()).filter(
      ({ stage }) => !['committed', 'rolled_back', 'cancelled'].includes(stage),
    );
    expect(open).toEqual([]);
  });

  test('while a task runs: its processes are ended, and it is not run again', { timeout: 90_000 }, async () => {
    const { own, node, drop, ended, count, counting } = await tasksAt();
    writeFileSync(join(own.site, 'state'), 'before\n');
    drop('long', counting('long', `echo changed >state; sleep 1000 & echo $! >'${own.folder}/pid'; wait`));
    await until(() => existsSync(join(own.folder, 'pid')), 'it runs');
    const pid = Number(await until(() => readFileSync(join(own.folder, 'pid'), 'utf8').trim(), 'it said its id'));
    node.signal('SIGKILL');
    await node.running.done;
    node.start();
    expect(await ended('long', 'failed')).toMatchObject({ interrupted: true, stage: 'rolled_back' });
    expect(readFileSync(join(own.site, 'state'), 'utf8')).toBe('before\n');
    expect(isRunning(pid)).toBe(false);
    expect(count('long')).toBe(1);
    await until(() => !existsSync(join(node.home, 'running')), 'no copy of it is left');
  });

  test('while several run: each is ended and undone, whatever the others do', { timeout: 90_000 }, async () => {
    const { own, node, drop, ended, count, counting, names } = await tasksAt();
    const folders = ['one', 'two', 'three'].map((name) => join(own.folder, name));
    for (const folder of folders) {
      mkdirSync(folder);
      writeFileSync(join(folder, 'state'), 'before\n');
      const script = `echo changed >'${folder}/state'; sleep 1000`;
      drop(basename(folder), counting(basename(folder), script, `#hauki datasets: ${folder}\n`));
    }
    await until(() => folders.every((folder) => count(basename(folder)) === 1), 'all of them run');
    node.signal('SIGKILL');
    await node.running.done;
    drop('after', counting('after', 'true'));
    node.start();
    for (const folder of folders) {
      expect(await ended(basename(folder), 'failed')).toMatchObject({ interrupted: true, stage: 'rolled_back' });
      expect([readFileSync(join(folder, 'state'), 'utf8'), count(basename(folder))]).toEqual(['before\n', 1]);
    }
    await ended('after', 'done');
    expect([names('claimed'), names('inbox')]).toEqual([[], []]);
  });

  test('that is stopped while several run undoes them all', { timeout: 90_000 }, async () => {
    const { own, node, drop, ended, count, counting } = await tasksAt();
    const other = join(own.folder, 'other');
    mkdirSync(other);
    drop('here', counting('here', 'echo changed >state; sleep 1000'));
    drop('there', counting('there', `echo changed >'${other}/state'; sleep 1000`, `#hauki datasets: ${other}\n`));
    await until(() => count('here') + count('there') === 2, 'both run');
    node.signal('SIGTERM');
    expect((await node.running.done).code).toBe(0);
    for (const name of ['here', 'there'])
      expect(await ended(name, 'failed')).toMatchObject({ interrupted: true, stage: 'rolled_back' });
    expect(existsSync(join(other, 'state'))).toBe(false);
  });

  test(
    'with the controller gone too: it waits for the answer, and takes nothing before it',
    { timeout: 90_000 },
    async () => {
      const { controller, startController, node, drop, ended, names, count, counting } = await tasksAt();
      drop('a', counting('a', `sleep 1000`));
      await until(() => count('a') === 1, 'it runs');
      node.signal('SIGKILL');
      await node.running.done;
      controller.child.kill('SIGKILL');
      await controller.done;
      node.start();
      drop('b', counting('b', 'echo b >state'));
      await until(() => /cannot be ended yet/.test(node.running.stderr()), 'it says that it waits');
      expect([names('claimed').includes('a'), names('inbox')]).toEqual([true, ['b']]);
      await startController();
      expect(await ended('a', 'failed')).toMatchObject({ interrupted: true, stage: 'rolled_back' });
      await ended('b', 'done');
      expect([count('a'), count('b')]).toEqual([1, 1]);
    },
  );
});

/** One that has ended and was not reaped by anybody yet does not run. */
function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
