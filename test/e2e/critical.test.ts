import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import type { HeartbeatRecord } from '../../src/node/node.ts';
import type { NodeList } from '../../src/wire/mesh.ts';
import { until } from '../until.ts';
import { codeOf, type Mesh, type Node, openMesh } from './mesh-place.ts';
import { freePorts } from './ngircd.ts';
import { place, type Running } from './place.ts';

/* Critical mode from the command line: a real controller, nodes that joined it, each a process with mutual TLS. */

interface Member extends Node {
  readonly running: Running;
  readonly state: () => string;
}

async function running(mesh: Mesh, name: string, flush?: readonly string[]): Promise<Member> {
  const node = await mesh.joined(name);
  if (flush !== undefined) {
    const yaml = join(node.home, 'node.yaml');
    const settings = JSON.parse(readFileSync(yaml, 'utf8')) as object;
    writeFileSync(yaml, JSON.stringify({ ...settings, halt: { flush: [{ run: flush }] } }));
  }
  const own = node.start(['node', 'run'], { msMax: 300_000 });
  onTestFinished(() => {
    try {
      process.kill(own.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  });
  const state = (): string => {
    try {
      return (JSON.parse(readFileSync(join(node.home, 'heartbeat.json'), 'utf8')) as HeartbeatRecord).pulse.state;
    } catch {
      return 'none';
    }
  };
  await until(async () => {
    const { nodes } = await mesh.place.json<NodeList>(['node', 'list']);
    return nodes.some((one) => one.node === name && one.presence?.liveness === 'live');
  }, `${name} is live`);
  return { ...node, running: own, state };
}

async function meshOf(...names: readonly string[]): Promise<{ mesh: Mesh; nodes: Member[] }> {
  const mesh = await openMesh(place(), (await freePorts())[0]);
  const nodes: Member[] = [];
  for (const name of names) nodes.push(await running(mesh, name));
  return { mesh, nodes };
}

test('a barrier halts every node, takes one snapshot, and lets them go on', { timeout: 120_000 }, async () => {
  const { mesh, nodes } = await meshOf('crm', 'web');
  const { site } = mesh.place;
  const { code, stdout } = await mesh.place.run([
    'barrier',
    '--intent',
    'before the upgrade',
    '--path',
    site,
    '--json',
  ]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ status: 'verified', participants: ['crm', 'web'] });
  await until(() => nodes.every((node) => node.state() === 'running'), 'all run again');

  const [mutation] = await mesh.log();
  expect(mutation).toMatchObject({ mode: 'critical', stage: 'committed', intent: 'before the upgrade' });
  const types = (await mesh.events()).map(({ type }) => type);
  for (const type of ['halt_started', 'flushed', 'master_taken', 'cleared', 'committed']) expect(types).toContain(type);

  const pinged = await mesh.place.run(['node', 'tell', 'crm', 'ping']);
  expect([pinged.code, pinged.stdout]).toEqual([0, expect.stringContaining('node crm answers')]);
  expect(codeOf(await mesh.place.run(['node', 'tell', 'nobody', 'ping', '--json']))).toBe('node_unknown');
});

test('what is frozen when nothing is named stands in config.yaml', { timeout: 120_000 }, async () => {
  const own = place();
  mkdirSync(own.home);
  const mesh = await openMesh(own, (await freePorts())[0]);
  const node = await running(mesh, 'crm');
  const ask = ['barrier', '--intent', 'x', '--json'];
  const denied = await own.run(ask);
  expect([denied.code, codeOf(denied), denied.stdout]).toEqual([
    64,
    'datasets_invalid',
    expect.stringContaining('config.yaml'),
  ]);

  writeFileSync(join(own.home, 'config.yaml'), JSON.stringify({ critical: { datasets: [own.site] } }));
  mesh.controller.child.kill('SIGTERM');
  await mesh.controller.done;
  await own.controller(['controller', '--port', '0', '--json', '--listen', mesh.address]);
  expect(await own.run(ask)).toMatchObject({ code: 0, stdout: expect.stringContaining(own.site) as string });
  const guard = await own.run(['guard', '--critical', '--intent', 'y', '--', 'touch', join(own.site, 'changed')]);
  expect(guard.code).toBe(0);
  expect((await own.run(['guard', '--intent', 'z', '--', 'true'])).code).toBe(64);
  await until(() => node.state() === 'running', 'it runs again');
});

test(
  'with --hold the nodes stay halted while the command runs, for longer than their deadline',
  { timeout: 120_000 },
  async () => {
    const { mesh, nodes } = await meshOf('crm', 'web');
    const { site, folder } = mesh.place;
    const guard = mesh.place.start([
      'guard',
      '--critical',
      '--hold',
      '--intent',
      'new schema',
      '--path',
      site,
      '--',
      'sh',
      '-c',
      'echo x > "$0/began"; until [ -e "$0/go" ]; do sleep 0.05; done',
      folder,
    ]);
    await until(
      () => nodes.every((node) => node.state() === 'halted') && guard.stderr().includes('Lock secured'),
      'held',
    );
    // Longer than a node's deadline: the controller puts it off.
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    expect(nodes.map((node) => node.state())).toEqual(['halted', 'halted']);
    writeFileSync(join(folder, 'go'), '');
    expect((await guard.done).code).toBe(0);
    await until(() => nodes.every((node) => node.state() === 'running'), 'all run again');
  },
);

test.each<[string, (node: Member) => unknown]>([
  ['is thawed by hand', (node) => node.run(['thaw'])],
  [
    'is killed and started again',
    async (node) => {
      process.kill(node.running.pid, 'SIGKILL');
      await node.running.done;
      const { pid } = node.start(['node', 'run'], { msMax: 100_000 });
      onTestFinished(() => void process.kill(pid, 'SIGKILL'));
    },
  ],
  ['is stopped', (node) => process.kill(node.running.pid, 'SIGSTOP')],
])('a hold breaks when a node %s: the command is stopped, and undone', { timeout: 120_000 }, async (_, spoil) => {
  const { mesh, nodes } = await meshOf('crm', 'web');
  const { site, folder } = mesh.place;
  const script = 'echo two > "$1/config"; touch "$0/began"; while :; do sleep 0.05; done';
  const guard = mesh.place.start(
    ['guard', '--critical', '--hold', '--intent', 'x', '--path', site, '--', 'sh', '-c', script, folder, site],
    { msMax: 100_000 },
  );
  await until(() => existsSync(join(folder, 'began')), 'the command runs');
  const [crm, web] = nodes as [Member, Member];
  await spoil(web);
  const { code, stderr } = await guard.done;
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/clearance lost: The nodes were to stay halted.*web: .*Stopping the command/);
  expect(readFileSync(join(site, 'config'), 'utf8')).toBe('one\n');
  const [mutation] = await mesh.log();
  const reason = { code: 'barrier_broken', evidence: { nodes: [{ node: 'web' }] } };
  expect(mutation).toMatchObject({ stage: 'rolled_back', reason });
  const begun = (await mesh.events()).find(({ type }) => type === 'rollback_started');
  expect(begun).toMatchObject({ by: 'controller', reason });
  await until(() => crm.state() === 'running', 'the others go on');
});

test('a dead node denies it, unless it may be missing; and nothing was executed', { timeout: 120_000 }, async () => {
  const { mesh, nodes } = await meshOf('crm', 'web');
  const { site, folder } = mesh.place;
  process.kill(nodes[1]?.running.pid ?? 0, 'SIGKILL');
  const ask = (...more: readonly string[]): readonly string[] => [
    ...['guard', '--critical', '--intent', 'x', '--path', site, '--json', ...more],
    ...['--', 'touch', join(folder, 'ran')],
  ];
  await until(async () => {
    const denied = await mesh.place.run(ask('--flush', '2s'));
    return denied.code === 75 && codeOf(denied) === 'node_lost';
  }, 'it is known to be lost');
  expect(() => readFileSync(join(folder, 'ran'))).toThrow('ENOENT');
  expect((await mesh.place.run(ask('--allow-missing', 'web'))).code).toBe(0);
  expect(codeOf(await mesh.place.run(ask('--allow-missing', 'wbe')))).toBe('node_unknown');
});

test('a flush hook that fails denies it with its words, and all go on', { timeout: 120_000 }, async () => {
  const mesh = await openMesh(place(), (await freePorts())[0]);
  const crm = await running(mesh, 'crm');
  const web = await running(mesh, 'web', ['sh', '-c', 'echo no room for the dump >&2; exit 3']);
  const denied = await mesh.place.run(['barrier', '--intent', 'x', '--path', mesh.place.site, '--json']);
  expect([denied.code, codeOf(denied)]).toEqual([75, 'flush_failed']);
  expect(denied.stdout).toContain('web');
  await until(() => crm.state() === 'running' && web.state() === 'running', 'all run again');
  const { stdout } = await mesh.place.run(['snapshots', '--json']);
  expect(JSON.parse(stdout)).toEqual({ kept: [] });
});

test('a controller that is killed is not waited for, and the next barrier works', { timeout: 180_000 }, async () => {
  const { mesh, nodes } = await meshOf('crm');
  const { site } = mesh.place;
  const guard = mesh.place.start(
    ['guard', '--critical', '--hold', '--intent', 'x', '--path', site, '--', 'sleep', '600'],
    { msMax: 120_000 },
  );
  await until(
    () => nodes.every((node) => node.state() === 'halted') && guard.stderr().includes('Lock secured'),
    'held',
  );
  process.kill(mesh.controller.pid, 'SIGKILL');
  process.kill(guard.pid, 'SIGKILL');
  await until(() => nodes.every((node) => node.state() === 'running'), 'thawed by itself', 30_000);
  await mesh.place.controller(['controller', '--port', '0', '--json', '--listen', mesh.address]);
  await until(
    async () => (await mesh.log()).every(({ stage }) => stage !== 'cleared'),
    'the guard of the dead is undone',
  );
  // Its node links again by itself, in its own time: that is waited for.
  const again = await mesh.place.run(['barrier', '--intent', 'again', '--path', site]);
  expect(again).toMatchObject({ code: 0 });
});
