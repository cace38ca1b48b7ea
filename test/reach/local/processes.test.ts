import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { localProcesses } from '../../../src/reach/local/processes.ts';
import { until } from '../../until.ts';

/* Real processes: whatever works under a mutation is ended, and nobody else. */

let folder = '';
let started: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-processes-'));
});
afterEach(async () => {
  for (const child of started) child.kill('SIGKILL');
  for (const pid of pids()) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  started = [];
  rmSync(folder, { recursive: true });
});

/** Runs a line for `sh` under a mutation, and waits until it has written so many process ids to `pids`. */
async function under(mutation: string, script: string, count: number): Promise<ChildProcess> {
  const env = { ...process.env, HAUKI_MUTATION: mutation };
  const child = spawn('sh', ['-c', script], { cwd: folder, env, stdio: 'ignore' });
  started.push(child);
  await until(() => pids().length >= count, `${count} processes run`);
  return child;
}

function pids(): number[] {
  const file = join(folder, 'pids');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').filter(Boolean).map(Number) : [];
}

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2).charAt(0));
  } catch {
    return false;
  }
}

const processes = localProcesses({ patienceMs: 300, killMs: 4_000 });
const alive = (): number[] => pids().filter(isAlive);

test('nothing to stop is nothing to wait for', async () => {
  expect(await processes.stop(randomUUID())).toEqual({ ok: true, value: { stopped: 0 } });
});

test('ends a command and its children', async () => {
  const id = randomUUID();
  await under(id, 'sleep 60 & echo $! >> pids; sleep 60 & echo $! >> pids; echo $$ >> pids; wait', 3);
  expect(await processes.stop(id)).toEqual({ ok: true, value: { stopped: 3 } });
  expect(alive()).toEqual([]);
});

test('ends nobody else: not another mutation, nor one whose id begins alike', async () => {
  const [id, other] = [randomUUID(), randomUUID()];
  await under(other, 'echo $$ >> pids; exec sleep 60', 1);
  await under(`${id}-more`, 'echo $$ >> pids; exec sleep 60', 2);
  expect(await processes.stop(id)).toEqual({ ok: true, value: { stopped: 0 } });
  expect(alive().length).toBe(2);
});

test('lets a process that takes SIGTERM clean up', async () => {
  const id = randomUUID();
  await under(id, `trap 'echo clean > cleaned; exit 0' TERM; echo $$ >> pids; while :; do sleep 0.02; done`, 1);
  await processes.stop(id);
  expect(readFileSync(join(folder, 'cleaned'), 'utf8')).toBe('clean\n');
});

test('kills one that ignores SIGTERM', async () => {
  const id = randomUUID();
  await under(id, `trap '' TERM; echo $$ >> pids; while :; do sleep 0.05; done`, 1);
  expect(await processes.stop(id)).toMatchObject({ ok: true });
  expect(alive()).toEqual([]);
});

test('ends a grandchild in a session of its own, whose parents are gone', async () => {
  const id = randomUUID();
  const child = await under(id, `setsid sh -c 'echo $$ >> pids; exec sleep 60' & exit 0`, 1);
  await until(() => child.exitCode !== null, 'its parent is gone');
  expect(await processes.stop(id)).toEqual({ ok: true, value: { stopped: 1 } });
  expect(alive()).toEqual([]);
});

test('ends a stopped process', async () => {
  const id = randomUUID();
  await under(id, 'echo $$ >> pids; kill -STOP $$; sleep 60', 1);
  expect(await processes.stop(id)).toMatchObject({ ok: true });
  expect(alive()).toEqual([]);
});

test('ends a child that has cleaned its environment', async () => {
  const id = randomUUID();
  await under(id, `env -i sh -c 'echo $$ >> pids; exec sleep 60' & echo $$ >> pids; wait`, 2);
  expect(await processes.stop(id)).toMatchObject({ ok: true });
  expect(alive()).toEqual([]);
});

test('ends a child that has cleaned its environment and ignores SIGTERM, though its parent goes at once', async () => {
  const id = randomUUID();
  await under(
    id,
    `env -i sh -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 0.05; done' & echo $$ >> pids; wait`,
    2,
  );
  expect(await processes.stop(id)).toMatchObject({ ok: true });
  expect(alive()).toEqual([]);
});

test('ends what is started while it looks', async () => {
  const id = randomUUID();
  // A chain: each starts the next and goes.
  await under(
    id,
    `echo $$ >> pids; cat > chain <<'X'\necho $$ >> pids; [ $(wc -l < pids) -gt 200 ] || (sh chain &) ; exit 0\nX\nsh chain`,
    5,
  );
  expect(await processes.stop(id)).toMatchObject({ ok: true });
  const count = pids().length;
  expect(alive()).toEqual([]);
  expect(await processes.stop(id)).toEqual({ ok: true, value: { stopped: 0 } });
  expect(pids().length).toBe(count);
});

test('leaves what carries a command elsewhere to who started it, for as long as that one is there', async () => {
  const id = randomUUID();
  const script = `HAUKI_CARRIER=$$ HAUKI_MUTATION=${id} sleep 60 & echo $! >> pids; exec sleep 60`;
  const starter = await under('another', script, 1);
  expect(await processes.stop(id)).toEqual({ ok: true, value: { stopped: 0 } });
  expect(alive().length).toBe(1);
  starter.kill('SIGKILL');
  await until(() => starter.signalCode !== null, 'who started it is gone');
  expect(await processes.stop(id)).toEqual({ ok: true, value: { stopped: 1 } });
  expect(alive()).toEqual([]);
});

test('names those that cannot be ended', async () => {
  const id = randomUUID();
  await under(id, 'echo $$ >> pids; exec sleep 60', 1);
  // No time to be ended in: what would be left in an uninterruptible sleep.
  const hasty = localProcesses({ patienceMs: 0, killMs: -1 });
  const stopped = await hasty.stop(id);
  expect(stopped).toMatchObject({ ok: false, error: { code: 'holder_unstoppable', evidence: { pids: pids() } } });
});
