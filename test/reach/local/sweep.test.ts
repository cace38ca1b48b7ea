import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { localReach } from '../../../src/reach/local/local.ts';
import { sweepSince } from '../../../src/reach/local/sweep.ts';
import { bundle } from '../../ledger/process/bundle.ts';
import { needs } from '../../needs.ts';
import { temporaryFolder } from '../../storage/real/ground.ts';

describe('what a command left behind', () => {
  test('is ended, also what left its family and ignores being asked; where nothing was left, nothing is', async () => {
    const reach = localReach();
    const mutation = `sweep-${process.pid}`;
    const run = (script: string): ReturnType<typeof reach.run> => reach.run({ argv: ['sh', '-c', script], mutation });
    const quiet = await sweepSince();
    await run('true; true');
    expect(await quiet(mutation)).toEqual({ ok: true, value: { stopped: 0 } });

    const sweep = await sweepSince();
    await run("(trap '' TERM; exec sleep 1000) >/dev/null 2>&1 & setsid sleep 1000 >/dev/null 2>&1 & sleep 0.1");
    const ended = await sweep(mutation);
    expect(ended).toEqual({ ok: true, value: { stopped: 2 } });
    expect(await (await sweepSince())(mutation)).toEqual({ ok: true, value: { stopped: 0 } });
    expect(readFileSync('/proc/self/environ', 'utf8')).not.toContain(mutation);
  });
});

needs('root', 'unshare').describe('in a container, whose /proc/loadavg tells of processes of the host', () => {
  const folder = temporaryFolder();
  let program = '';

  beforeAll(async () => {
    program = await bundle('sweeper', 'test/reach/local/process');
    // As that of lxcfs: a file of another file system's, with ids that are none here.
    copyFileSync('/proc/loadavg', `${folder.path}/loadavg`);
  }, 30_000);
  afterAll(() => {
    folder.remove();
    rmSync(program, { force: true });
  });

  test.each([
    ['the kernel says which id was the last', ''],
    ['nobody says which id was the last', 'mount --bind /dev/null /proc/sys/kernel/ns_last_pid; '],
  ])('what a command left behind is ended all the same: %s', (_, more) => {
    const script = `mount --bind "$0/loadavg" /proc/loadavg; ${more}exec "$1" "$2"`;
    const argv = ['-m', '-p', '-f', '--mount-proc', 'sh', '-ec', script, folder.path, process.execPath, program];
    const { stdout, stderr } = spawnSync('unshare', argv, { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ ok: true, value: { stopped: 1 } });
  });
});
