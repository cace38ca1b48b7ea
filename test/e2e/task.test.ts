import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import type { RecordView } from '../../src/wire/http.ts';
import { until } from '../until.ts';
import { nodeAt } from './mesh.ts';
import { tasksAt } from './tasks.ts';

/* The Shadow Writer of a real node process, on a real controller. */

describe('a task', () => {
  test('runs under a snapshot and is committed; one that fails is undone; both are on record', async () => {
    const { own, drop, ended, log } = await tasksAt();
    const file = join(own.site, 'state');
    drop('third_strike.task', '#!/bin/sh\n#hauki verify: grep -q new state\necho new >state\nenv | grep ^HAUKI_\n');
    const done = await ended('third_strike.task', 'done');
    expect(done).toMatchObject({
      words: 'Surgery third_strike.task COMPLETED flawlessly.',
      stage: 'committed',
      node: 'crm',
    });
    expect(log('third_strike.task', 'done')).toContain(
      'Directory Lock secured. Executing code surgery: third_strike.task',
    );
    expect(log('third_strike.task', 'done')).toContain(`HAUKI_MUTATION=${done.mutation}`);
    expect(log('third_strike.task', 'done')).toContain(`HAUKI_SNAPSHOT=${done.snapshot}`);
    expect(log('third_strike.task', 'done')).toMatch(/HAUKI_FENCE=\d+/);
    expect(readFileSync(file, 'utf8')).toBe('new\n');

    drop('half.task', '#!/bin/sh\n#hauki intent: the other half\necho half >state\necho oh no >&2\nexit 3\n');
    const failed = await ended('half.task', 'failed');
    expect(failed).toMatchObject({
      stage: 'rolled_back',
      reason: { code: 'task_failed', message: 'half.task ended with exit code 3.' },
    });
    expect(log('half.task', 'failed')).toContain('oh no');
    expect(readFileSync(file, 'utf8')).toBe('new\n');
    expect(readFileSync(join(failed.evidence?.[0] ?? '', 'state'), 'utf8')).toBe('half\n');

    drop('unverified', '#!/bin/sh\n#hauki verify: false\necho bad >state\n');
    expect(await ended('unverified', 'failed')).toMatchObject({
      reason: { message: 'verify of unverified ended with exit code 1.' },
    });
    expect(readFileSync(file, 'utf8')).toBe('new\n');

    const mutations = await own.mutations();
    expect(mutations.map(({ task, intent, stage, node }) => [task, intent, stage, node])).toEqual([
      ['unverified', 'execute unverified', 'rolled_back', 'crm'],
      ['half.task', 'the other half', 'rolled_back', 'crm'],
      ['third_strike.task', 'execute third_strike.task', 'committed', 'crm'],
    ]);
    expect(mutations[2]?.snapshots[0]?.name).toMatch(/@PRE_crm_execute_third_strike\.task_\d{8}_/);

    drop('rubbish', 'rubbish\n');
    expect(await ended('rubbish', 'denied')).toMatchObject({ reason: { code: 'task_invalid' } });
    const denied = await until(async () => {
      const { stdout } = await own.run(['audit', 'export']);
      const events = stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { event: RecordView['event'] }).event);
      return events.find(({ type }) => type === 'access_denied');
    }, 'it is on record');
    expect(denied).toMatchObject({ as: 'node crm', what: 'task rubbish', code: 'task_invalid' });
  });

  test('waits in the inbox while the controller is away, and runs once when it is back', async () => {
    const { controller, startController, node, drop, ended, names, count, counting } = await tasksAt();
    controller.child.kill('SIGKILL');
    await controller.done;
    drop('b', counting('b', 'true'));
    drop('a', counting('a', 'true'));
    await until(() => /tasks wait/.test(node.running.stderr()), 'it says that they wait');
    await until(() => names('claimed').length === 0, 'they are back in the inbox');
    expect([names('inbox').toSorted(), count('a'), count('b')]).toEqual([['a', 'b'], 0, 0]);
    await startController();
    const [a, b] = [await ended('a', 'done'), await ended('b', 'done')];
    expect(a.endedAt <= b.claimedAt).toBe(true);
    expect([count('a'), count('b')]).toEqual([1, 1]);
  });

  test('that takes too long is ended with all it started; what it left behind too; its output is bounded', async () => {
    const { own, drop, ended, log } = await tasksAt();
    const pids = join(own.folder, 'pids');
    drop('slow', `#!/bin/sh\n#hauki timeout: 1s\n(trap '' TERM; exec sleep 1000) & echo $! >>${pids}\nsleep 1000\n`);
    expect(await ended('slow', 'failed')).toMatchObject({
      reason: { message: 'slow was ended: its time of 1.0 s is up.' },
    });
    drop('daemon', `#!/bin/sh\nsetsid sleep 1000 >/dev/null 2>&1 & echo $! >>${pids}\n`);
    await ended('daemon', 'done');
    expect(log('daemon', 'done')).toContain('1 processes that it left behind were ended');
    for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) {
      const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : 'gone';
      expect(stat).toMatch(/\) [ZX] |^gone$/);
    }
    drop('loud', '#!/bin/sh\nhead -c 5000000 /dev/zero | tr "\\0" "y"; echo the end\n');
    await ended('loud', 'done');
    expect(log('loud', 'done')).toMatch(/\d+ bytes of its output are left out here\n[^]*the end\n$/);
    expect(log('loud', 'done').length).toBeLessThan(1_300_000);
  });
});

describe('the inbox', () => {
  test('whatever lies in it ends somewhere, with a reason, and nothing that is no plain file is run', async () => {
    const { own, spool, drop, ended, names, count, counting } = await tasksAt();
    const inbox = join(spool, 'inbox');
    const outside = join(own.folder, 'outside');
    writeFileSync(outside, counting('link', 'true'), { mode: 0o755 });
    symlinkSync(outside, join(inbox, 'link'));
    mkdirSync(join(inbox, 'folder', 'in it'), { recursive: true });
    spawnSync('mkfifo', [join(inbox, 'fifo')]);
    writeFileSync(
      Buffer.concat([Buffer.from(`${inbox}/bytes-`), Buffer.from([0xff, 0xfe])]),
      counting('bytes', 'true'),
    );
    for (const name of ['two\nlines', 'n'.repeat(255), 'x.log']) drop(name, counting('misnamed', 'true'));
    const good = ['with blanks', '🛠 emoji', '-rf', 'quotes\'"$(touch x)', 'n'.repeat(200)];
    for (const [index, name] of good.entries()) drop(name, counting(`good${index}`, 'true'));
    for (const name of ['.hidden', 'half.part', 'x.swp']) drop(name, counting('unfinished', 'true'));
    drop('empty', '');
    for (const name of good) await ended(name, 'done');
    for (const name of ['link', 'folder', 'fifo'])
      expect((await ended(name, 'denied')).reason?.code).toBe('task_invalid');
    await until(() => names('denied').length === 7, 'all others are denied');
    expect(names('inbox').toSorted()).toEqual(['.hidden', 'empty', 'half.part', 'x.swp']);
    expect(['link', 'bytes', 'misnamed', 'unfinished'].map(count)).toEqual([0, 0, 0, 0]);
    expect(good.map((_, index) => count(`good${index}`))).toEqual([1, 1, 1, 1, 1]);
    expect(statSync(outside).isFile()).toBe(true);
    expect(names('claimed')).toEqual([]);
  });

  test('a file that is being written is left until it rests; cp and mv are enough', async () => {
    const { own, spool, ended, count, counting, names } = await tasksAt();
    const inbox = join(spool, 'inbox');
    const slow = join(inbox, 'slow');
    writeFileSync(slow, '#!/bin/sh\n');
    for (let line = 0; line < 8; line += 1) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(names('inbox')).toContain('slow');
      appendFileSync(slow, `echo ${line}\n`);
      if (line === 4) chmodSync(slow, 0o755);
    }
    appendFileSync(slow, counting('slow', 'true').replace('#!/bin/sh\n', ''));
    await ended('slow', 'done');
    const source = join(own.folder, 'source');
    writeFileSync(source, counting('copied', 'true'));
    copyFileSync(source, join(inbox, 'copied'));
    renameSync(source, join(inbox, 'moved'));
    await Promise.all([ended('copied', 'done'), ended('moved', 'done')]);
    expect([count('slow'), count('copied')]).toEqual([1, 2]);

    // Another of the same name lies beside the first.
    copyFileSync(join(spool, 'done', 'copied'), join(inbox, 'copied'));
    const copies = (): string[] => names('done').filter((name) => /^copied(?!.*\.log$)/.test(name));
    await until(() => copies().length === 2, 'both are there');
    expect(copies().toSorted()).toEqual(['copied', expect.stringMatching(/^copied\.\d{8}_\d{6}_\d{3}$/)]);
    expect(count('copied')).toBe(3);
  });
});

describe('a node', () => {
  test('does not start with a spool inside what its tasks change, and denies a task that would', async () => {
    const { own, spool, node, drop, ended } = await tasksAt();
    drop('inside', `#!/bin/sh\n#hauki datasets: ${spool}\ntrue\n`);
    expect((await ended('inside', 'denied')).reason).toMatchObject({ code: 'spool_guarded' });
    drop('around', `#!/bin/sh\n#hauki datasets: ${own.folder}\ntrue\n`);
    expect((await ended('around', 'denied')).reason).toMatchObject({ code: 'spool_guarded' });
    node.signal('SIGTERM');
    expect((await node.running.done).code).toBe(0);
    const config = join(node.home, 'node.yaml');
    writeFileSync(config, readFileSync(config, 'utf8').replace(spool, join(own.site, 'spool')));
    const { code, stderr } = await node.hauki(['node', 'run']);
    expect([code, stderr]).toEqual([64, expect.stringMatching(/is part of .*site.*spool_guarded[^]*another dataset/)]);
  });

  test('does not start on a spool that another one works on, and leaves what that is at alone', async () => {
    const { own, spool, drop, ended, count, counting } = await tasksAt();
    const go = join(own.folder, 'go');
    drop('long', counting('long', `until [ -e '${go}' ]; do sleep 0.05; done`));
    await until(() => count('long') === 1, 'it runs');
    const second = nodeAt(own, 'second', { spool, tasks: { datasets: [own.site], unsigned: 'run' } });
    const { code, stderr } = await second.running.done;
    expect([code, stderr]).toEqual([75, expect.stringMatching(/Another node process takes tasks from .*home_locked/)]);
    writeFileSync(go, '');
    expect((await ended('long', 'done')).outcome).toBe('done');
    expect(count('long')).toBe(1);
  });

  test('is one at a time on what it changes, in order; those that change something else do not wait', async () => {
    const { own, node, drop, ended, count, counting, names } = await tasksAt();
    const other = join(own.folder, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'state'), 'before\n');
    const go = join(own.folder, 'go');
    const elsewhere = `#hauki datasets: ${other}\n`;
    drop('a', counting('a', `until [ -e '${go}' ]; do sleep 0.05; done; echo a >>order`));
    await until(() => count('a') === 1, 'a runs');
    drop('b', counting('b', 'echo b >>order'));
    drop('c', counting('c', 'echo c >>order'));
    drop('x', counting('x', `echo x >'${other}/state'; exit 1`, elsewhere));
    drop('y', counting('y', `cat '${other}/state' >>'${other}/order'`, elsewhere));
    drop('z', counting('z', 'true', `#hauki datasets: ${other}, ${own.site}\n`));
    // All of the other dataset while a runs; z waits, since it is of both.
    expect(await ended('x', 'failed')).toMatchObject({ stage: 'rolled_back' });
    await ended('y', 'done');
    expect(readFileSync(join(other, 'order'), 'utf8')).toBe('before\n');
    expect([names('claimed').filter((name) => !name.includes('.')), names('inbox')]).toEqual([['a'], ['b', 'c', 'z']]);
    writeFileSync(go, '');
    for (const name of ['a', 'b', 'c', 'z']) await ended(name, 'done');
    expect(readFileSync(join(own.site, 'order'), 'utf8')).toBe('a\nb\nc\n');
    expect(['a', 'b', 'c', 'x', 'y', 'z'].map(count)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(node.running.stderr()).not.toContain('cannot be worked on');
  });

  test('takes no tasks while it is halted, and goes on afterwards', async () => {
    const { own, node, drop, ended, names, counting } = await tasksAt({ unsigned: 'run' }, true);
    const go = join(own.folder, 'go');
    const other = own.another();
    const guard = other.startGuard(`until test -e '${go}'; do sleep 0.05; done`, [
      '--critical',
      '--hold',
      '--wait',
      '30s',
    ]);
    await until(() => node.heartbeat()?.pulse.state === 'halted', 'it is halted');
    drop('later', counting('later', 'true'));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect([names('inbox'), names('claimed')]).toEqual([['later'], []]);
    writeFileSync(go, '');
    expect((await guard.done).code).toBe(0);
    await ended('later', 'done');
  });

  test('that is stopped undoes what runs, and says so', async () => {
    const { own, node, drop, ended, count, counting } = await tasksAt();
    writeFileSync(join(own.site, 'state'), 'before\n');
    drop('long', counting('long', 'echo changed >state; sleep 1000'));
    await until(() => count('long') === 1, 'it runs');
    await until(() => node.heartbeat()?.task === 'long', 'its heartbeat names it');
    node.signal('SIGTERM');
    expect((await node.running.done).code).toBe(0);
    expect(await ended('long', 'failed')).toMatchObject({ interrupted: true, stage: 'rolled_back' });
    expect(readFileSync(join(own.site, 'state'), 'utf8')).toBe('before\n');
  });
});
