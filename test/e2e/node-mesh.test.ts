import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import type { Commanded, NodeList, NodeView } from '../../src/wire/mesh.ts';
import { until } from '../until.ts';
import { ask, socketOf } from './http.ts';
import { type NodeHere, nodeAt } from './mesh.ts';
import { place, type Place, type Running } from './place.ts';

/* A controller and three nodes of a real mesh: joined, over mutual TLS, in critical mutations. */

interface World {
  readonly own: Place;
  controller: Running;
  readonly nodes: readonly NodeHere[];
  /** Starts the controller again on the port that the nodes know. */
  readonly restart: () => Promise<void>;
  readonly list: () => Promise<NodeList['nodes']>;
  readonly areAll: (liveness: string, ...names: readonly string[]) => Promise<boolean>;
}

const NAMES = ['crm', 'web', 'db'] as const;

/** @param halt of the first node */
async function world(halt: object = {}): Promise<World> {
  const own = place();
  expect((await own.run(['mesh', 'init'])).code).toBe(0);
  const start = (listen: string): Promise<Running> =>
    own.controller(['controller', '--port', '0', '--listen', listen, '--json']);
  const controller = await start('127.0.0.1:0');
  const { listening } = JSON.parse(controller.stdout()) as { listening: string[] };
  const nodes: NodeHere[] = [];
  for (const name of NAMES) {
    const token = (await own.run(['node', 'invite', name])).stdout.trim();
    const env = { HAUKI_NODE_HOME: join(own.folder, `node-${name}`) };
    expect((await own.run(['node', 'join', token], { env })).code).toBe(0);
    const described = JSON.parse(readFileSync(join(env.HAUKI_NODE_HOME, 'node.yaml'), 'utf8')) as object;
    nodes.push(nodeAt(own, name, { ...described, ...(name === 'crm' ? { halt } : {}) }));
  }
  const list = async (): Promise<NodeList['nodes']> => (await own.json<NodeList>(['node', 'list'])).nodes;
  const one: World = {
    own,
    controller,
    nodes,
    restart: async () => {
      one.controller = await start(listening[0] ?? '');
    },
    list,
    areAll: (liveness, ...names) =>
      until(
        async () => {
          const found = await list();
          return names.every((name) => found.find(({ node }) => node === name)?.presence?.liveness === liveness);
        },
        `${names.join(', ')}: ${liveness}`,
        40_000,
      ),
  };
  await one.areAll('live', ...NAMES);
  return one;
}

function nodeOf({ nodes }: World, name: (typeof NAMES)[number]): NodeHere {
  const node = nodes[NAMES.indexOf(name)];
  if (node === undefined) throw new Error(`there is no ${name}`);
  return node;
}

/** A flush that goes on until the test wants it to end. */
const slow = (folder: string): object => ({
  flush: [{ run: ['sh', '-c', 'touch "$0/flushing"; until [ -e "$0/go" ]; do sleep 0.05; done', folder] }],
});

describe('a mesh of real processes', () => {
  test('shows who is live, late and lost; and who was killed, stopped and restarted is live again', async () => {
    const one = await world();
    nodeOf(one, 'web').signal('SIGKILL');
    nodeOf(one, 'db').signal('SIGSTOP');
    await one.areAll('late', 'web', 'db');
    expect((await one.own.run(['node', 'list'])).stdout).toMatch(
      /crm +joined +live since .*\n.*db +joined +late since/s,
    );
    const denied = await one.own.guard('true', ['--critical']);
    expect(denied.code).toBe(75);
    expect(denied.stderr).toMatch(/web \(late.*node_lost/);
    await one.areAll('lost', 'web', 'db');
    nodeOf(one, 'web').start();
    nodeOf(one, 'db').signal('SIGCONT');
    await one.areAll('live', ...NAMES);
    expect((await one.own.guard('true', ['--critical'])).code).toBe(0);
  });

  test('links again to a controller that was killed, with the certificate it has by then', async () => {
    const one = await world();
    const { env } = nodeOf(one, 'crm');
    expect((await one.own.run(['node', 'rotate'], { env })).code).toBe(0);
    one.controller.child.kill('SIGKILL');
    await one.controller.done;
    await one.restart();
    await one.areAll('live', ...NAMES);
    expect((await one.own.guard('true', ['--critical'])).code).toBe(0);
  });

  test('flushes before a critical snapshot, and a flush that fails denies it with the node’s words', async () => {
    const own = { folder: '' };
    const one = await world({
      flush: [{ run: ['sh', '-c', 'test ! -e "$HAUKI_NODE.broken" || { echo no space >&2; exit 1; }'] }],
    });
    own.folder = one.own.site;
    const done = await one.own.guard('echo two > config', ['--critical']);
    expect(done.stderr).not.toMatch(/denied/);
    expect(done.code).toBe(0);
    await until(() => nodeOf(one, 'crm').heartbeat()?.pulse.held === true, 'it says that it held');
    // The node's working directory is the site.
    writeFileSync(join(own.folder, 'crm.broken'), '');
    const denied = await one.own.guard('echo three > config', ['--critical']);
    expect(denied.code).toBe(75);
    expect(denied.stderr).toMatch(/crm: flush hook sh ended with code 1 after \d+ ms: no space.*flush_failed/);
    expect(readFileSync(join(own.folder, 'config'), 'utf8')).toBe('two\n');
    for (const node of one.nodes) await until(() => node.heartbeat()?.pulse.state === 'running', 'it runs');
  });

  test('the controller killed while nodes flush: nothing is executed, they run again, and the next one goes on', async () => {
    const one = await world(slow('.'));
    const guard = one.own.startGuard('touch executed', ['--critical'], {});
    await until(() => existsSync(join(one.own.site, 'flushing')), 'it flushes');
    await until(() => nodeOf(one, 'db').heartbeat()?.pulse.state === 'halted', 'another is halted');
    one.controller.child.kill('SIGKILL');
    guard.child.kill('SIGTERM');
    await guard.done;
    for (const node of one.nodes) await until(() => node.heartbeat()?.pulse.state === 'running', 'it runs again');
    expect(existsSync(join(one.own.site, 'executed'))).toBe(false);
    writeFileSync(join(one.own.site, 'go'), '');
    await one.restart();
    await one.areAll('live', ...NAMES);
    expect((await one.own.guard('touch executed', ['--critical'])).code).toBe(0);
  });

  test('the controller killed while it holds nodes halted: taken up again by the next one', async () => {
    const one = await world();
    // Named, so that the command waits for it, and does not start one of its own that nodes could not reach.
    const named = ['--controller', `unix:${one.own.home}/controller.sock`];
    const script = 'touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done';
    const guard = one.own.startGuard(script, [...named, '--critical', '--hold']);
    await until(() => existsSync(`${one.own.site}.ready`), 'the command runs');
    for (const node of one.nodes) await until(() => node.heartbeat()?.pulse.state === 'halted', 'it is halted');
    one.controller.child.kill('SIGKILL');
    await one.controller.done;
    const diedAt = performance.now();
    await one.restart();
    // Longer than a node stays halted for a controller that is silent.
    await until(() => performance.now() - diedAt > 12_000, 'the old deadline is over');
    // Or it came back too late for them, on a machine that is busy; then they say so.
    for (const node of one.nodes) {
      const { state, why } = node.heartbeat()?.pulse ?? {};
      expect(state === 'halted' ? why : `${state}: ${why}`).toBeOneOf([
        undefined,
        'running: the deadline passed before RESUME came',
      ]);
    }
    writeFileSync(`${one.own.site}.go`, '');
    expect((await guard.done).code).toBe(0);
    for (const node of one.nodes) await until(() => node.heartbeat()?.pulse.state === 'running', 'it runs again');
  });

  test('does what the controller tells it to, and answers', async () => {
    const one = await world();
    const command = async (verb: string, node = 'crm'): Promise<{ status: number; json: Commanded }> => {
      const { status, json } = await ask(socketOf(one.own), 'POST', `/v1/nodes/${node}/commands`, { body: { verb } });
      return { status, json: json as Commanded };
    };
    expect(await command('ping')).toMatchObject({ status: 200, json: { node: 'crm', ok: true } });
    expect((await command('thaw')).json).toMatchObject({ ok: true, words: 'was not halted' });
    expect((await command('poll')).json).toMatchObject({ ok: false });
    expect((await command('dance')).status).toBe(400);
    expect((await command('ping', 'nobody')).status).toBeGreaterThanOrEqual(400);
  });

  test('a node that is revoked loses its link, and does not get another', async () => {
    const one = await world();
    expect((await one.own.run(['node', 'revoke', 'crm'])).code).toBe(0);
    const crm = nodeOf(one, 'crm');
    await until(() => /was revoked/.test(crm.running.stderr()), 'it is told so');
    const view = await one.own.json<NodeView>(['node', 'show', 'crm']);
    expect([view.state, view.presence]).toEqual(['revoked', undefined]);
    expect(crm.running.child.exitCode).toBeNull();
    // The others are the whole mesh now.
    expect((await one.own.guard('true', ['--critical'])).code).toBe(0);
  });

  test('two processes with one name: the older is kept, the other told so', async () => {
    const one = await world();
    const home = join(one.own.folder, 'copy');
    await new Promise((resolve) => spawn('cp', ['-r', nodeOf(one, 'crm').home, home]).once('exit', resolve));
    const boot = nodeOf(one, 'crm').heartbeat()?.pulse.boot;
    const copy = one.own.start(['node', 'run'], { env: { HAUKI_NODE_HOME: home }, msMax: 600_000 });
    await until(() => /another process is linked as this node/.test(copy.stderr()), 'it is told so');
    expect((await one.list()).find(({ node }) => node === 'crm')?.presence?.boot).toBe(boot);
    copy.child.kill('SIGTERM');
    await copy.done;
  });
});
