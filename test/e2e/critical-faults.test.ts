import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import type { HeartbeatRecord } from '../../src/node/node.ts';
import { until } from '../until.ts';
import { type Mesh, type Node, openMesh } from './mesh-place.ts';
import { freePorts } from './ngircd.ts';
import { openPlace, type Outcome, type Place, type Running } from './place.ts';

/*
 * The real controller killed, and real nodes stopped, in each state of a barrier. HAUKI_FAULT names the point (src/bin/faulty-ports.ts)
 * at which the controller dies by SIGKILL. Then another starts; the nodes run again, the mutation has ended, nothing was executed, no
 * lock is left, the ledger is whole.
 */

const NAMES = ['crm', 'web'] as const;
type Name = (typeof NAMES)[number];

let place: Place;
let mesh: Mesh;
let nodes: Record<Name, Node>;
let running: Record<Name, Running>;
let controller: Running;

/** A node flushes for as long as this file is there. */
const slow = (name: Name): string => join(place.folder, `slow-${name}`);
const ran = (): string => join(place.folder, 'ran');

beforeAll(async () => {
  place = openPlace();
  mkdirSync(place.home);
  writeFileSync(join(place.home, 'config.yaml'), 'lease: { reattach: 5s }\n');
  mesh = await openMesh(place, (await freePorts())[0]);
  ({ controller } = mesh);
  nodes = { crm: await mesh.joined('crm'), web: await mesh.joined('web') };
  for (const name of NAMES) {
    const yaml = join(nodes[name].home, 'node.yaml');
    const run = ['sh', '-c', 'while [ -e "$0" ]; do sleep 0.05; done', slow(name)];
    const settings = JSON.parse(readFileSync(yaml, 'utf8')) as object;
    writeFileSync(yaml, JSON.stringify({ ...settings, halt: { flush: [{ run }] } }));
  }
}, 60_000);
afterAll(() => place.close());

beforeEach(() => {
  const start = (name: Name): Running => nodes[name].start(['node', 'run'], { msMax: 200_000 });
  running = { crm: start('crm'), web: start('web') };
});
afterEach(async () => {
  for (const name of NAMES) {
    rmSync(slow(name), { force: true });
    running[name].child.kill('SIGKILL');
    await running[name].done;
  }
});

async function startController(env: NodeJS.ProcessEnv = {}): Promise<void> {
  controller.child.kill('SIGTERM');
  await controller.done;
  controller = await place.controller(['controller', '--port', '0', '--json', '--listen', mesh.address], { env });
}

function pulse(name: Name): HeartbeatRecord['pulse'] | undefined {
  try {
    return (JSON.parse(readFileSync(join(nodes[name].home, 'heartbeat.json'), 'utf8')) as HeartbeatRecord).pulse;
  } catch {
    return undefined;
  }
}

const is = (name: Name, state: string): Promise<boolean> =>
  until(() => pulse(name)?.state === state, `${name} is ${state}`, 30_000);

function ask(intent: string, ...more: readonly string[]): Running {
  const args = ['guard', '--critical', '--intent', intent, '--path', place.site, ...more];
  return place.start([...args, '--', 'touch', ran()], { msMax: 100_000 });
}

/** Whatever happened: it is over, nothing was executed, and nothing is left of it. */
async function over(intent: string, stages: readonly string[]): Promise<string | undefined> {
  const found = async (): Promise<{ stage: string; reason?: { code: string } | undefined } | undefined> =>
    (await mesh.log()).find((one) => one.intent === intent && stages.includes(one.stage));
  const mutation = await until(found, `it is ${stages.join(' or ')}`, 40_000);
  for (const name of NAMES) await is(name, 'running');
  expect(existsSync(ran())).toBe(false);
  expect(await place.json(['locks'])).toEqual({ locks: [] });
  expect(await place.run(['audit', 'verify'])).toMatchObject({ code: 0 });
  return mutation.reason?.code;
}

const DENIED = ['denied', 'controller_restarted'] as const;

test.each<[state: string, point: string, stage: string, code: string]>([
  ['halting, and some have flushed', 'mesh:heard:halted', ...DENIED],
  ['halting, and all have flushed', 'mesh:after:halt', ...DENIED],
  ['snapshotting, and there is none yet', 'storage:before:snapshot', ...DENIED],
  ['snapshotting, and it is there', 'storage:after:snapshot', ...DENIED],
  ['verifying, and nobody was asked', 'mesh:before:verify', ...DENIED],
  ['cleared, and the caller does not know it', 'ledger:after:cleared', 'rolled_back', 'holder_gone'],
])('the controller is killed while it is %s (%s)', { timeout: 120_000 }, async (_, point, stage, code) => {
  if (point === 'mesh:heard:halted') writeFileSync(slow('web'), '');
  await startController({ HAUKI_FAULT: point });
  const guard = ask(point);
  expect((await controller.done).signal).toBe('SIGKILL');
  expect((await guard.done).code).not.toBe(0);
  rmSync(slow('web'), { force: true });
  await startController();
  expect(await over(point, [stage])).toBe(code);
});

test(
  'the controller is killed while it holds: the hold goes on, or is known to be broken',
  { timeout: 120_000 },
  async () => {
    await startController();
    const go = join(place.folder, 'go');
    const script = 'touch "$0.began"; until [ -e "$0" ]; do sleep 0.05; done';
    const args = [
      'guard',
      '--critical',
      '--hold',
      '--intent',
      'held',
      '--path',
      place.site,
      '--',
      'sh',
      '-c',
      script,
      go,
    ];
    const guard = place.start(args, { msMax: 100_000 });
    await until(() => existsSync(`${go}.began`), 'the command runs', 30_000);
    controller.child.kill('SIGKILL');
    await startController();
    // Longer than the deadline that the first controller gave them.
    await new Promise((resolve) => setTimeout(resolve, 11_000));
    const halted = NAMES.every((name) => pulse(name)?.state === 'halted');
    writeFileSync(go, '');
    const { code, stderr }: Outcome = await guard.done;
    expect(code === 0 ? halted : stderr.includes('The nodes were to stay halted')).toBe(true);
    await over('held', [code === 0 ? 'committed' : 'rolled_back']);
    // Broken by silence, they may have held all the same.
    expect(code !== 0 || NAMES.every((name) => pulse(name)?.held === true)).toBe(true);
  },
);

test.each<[string, Name, string]>([
  ['flushes', 'web', 'flush_failed'],
  ['is halted, and before the snapshot', 'crm', 'barrier_broken'],
])('a node is stopped while it %s', { timeout: 120_000 }, async (when, slowNode, code) => {
  await startController();
  writeFileSync(slow(slowNode), '');
  const guard = ask(when, '--flush', '4s');
  await is('web', slowNode === 'web' ? 'flushing' : 'halted');
  await is('crm', slowNode === 'crm' ? 'flushing' : 'halted');
  process.kill(running.web.pid, 'SIGSTOP');
  rmSync(slow(slowNode));
  expect((await guard.done).code).toBe(75);
  await is('crm', 'running');
  process.kill(running.web.pid, 'SIGCONT');
  expect(await over(when, ['denied'])).toBe(code);
});
