import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import type { HeartbeatRecord } from '../../src/node/node.ts';
import type { MutationDetail, MutationList } from '../../src/wire/http.ts';
import type { NodeList } from '../../src/wire/mesh.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { bundle } from '../ledger/process/bundle.ts';
import { openPlace, type Place, ROOT, type Running, type RunOptions } from './place.ts';
import { begin, found, workedAt } from './worker.ts';

/*
 * A node on a host of its own, and a wire that loses what goes one way, the other, or both: nobody is told, packets are just not there.
 *
 *   node 10.78.0.2 ──── 10.78.0.1 controller
 */
const ID = process.pid;
const [HERE, THERE] = [`hauki-${ID}-pc`, `hauki-${ID}-pn`];
const HAUKI = join(ROOT, 'hauki');
const LISTEN = '10.78.0.1:7717';
const NOWHERE = '02:00:00:00:00:99';

let own: Place;
let env: NodeJS.ProcessEnv;
let named: string[];
/** A node process with work of its own. */
let node: Running;
let program: string;

type Way = 'to the node' | 'to the controller';
const WAYS: readonly Way[] = ['to the node', 'to the controller'];

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}

/** What is sent this way goes to an address that nobody has. */
function cut(way: Way): void {
  const [from, to, device] = way === 'to the node' ? [HERE, '10.78.0.2', 'near'] : [THERE, '10.78.0.1', 'eth0'];
  ip('-n', from, 'neigh', 'replace', to, 'lladdr', NOWHERE, 'dev', device, 'nud', 'permanent');
}

function heal(): void {
  spawnSync('ip', ['-n', HERE, 'neigh', 'del', '10.78.0.2', 'dev', 'near']);
  spawnSync('ip', ['-n', THERE, 'neigh', 'del', '10.78.0.1', 'dev', 'eth0']);
}

const within = (namespace: string, args: readonly string[], options: RunOptions = {}): Running =>
  own.start(['netns', 'exec', namespace, HAUKI, ...args], { msMax: 600_000, ...options, program: 'ip' });

async function liveness(): Promise<string | undefined> {
  const { nodes } = await own.json<NodeList>(['node', 'list', ...named]);
  return nodes.find(({ node }) => node === 'crm')?.presence?.liveness;
}

function heartbeat(): HeartbeatRecord {
  return JSON.parse(readFileSync(join(env['HAUKI_NODE_HOME'] ?? '', 'heartbeat.json'), 'utf8')) as HeartbeatRecord;
}

const isLive = (): Promise<boolean> => until(async () => (await liveness()) === 'live', 'it is live', 40_000);

needs('netns').describe('a wire that is cut', () => {
  beforeAll(async () => {
    for (const namespace of [HERE, THERE]) {
      ip('netns', 'add', namespace);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    ip('-n', HERE, 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', THERE);
    ip('-n', HERE, 'addr', 'add', '10.78.0.1/24', 'dev', 'near');
    ip('-n', THERE, 'addr', 'add', '10.78.0.2/24', 'dev', 'eth0');
    ip('-n', HERE, 'link', 'set', 'near', 'up');
    ip('-n', THERE, 'link', 'set', 'eth0', 'up');
    own = openPlace();
    named = ['--controller', `unix:${own.home}/controller.sock`];
    env = { HAUKI_NODE_HOME: join(own.folder, 'node') };
    await own.run(['mesh', 'init']);
    const controller = within(HERE, ['controller', '--port', '0', '--listen', LISTEN, '--json']);
    await until(() => /"ready"/.test(controller.stdout()), 'the controller is ready');
    const token = (await own.run(['node', 'invite', 'crm', ...named])).stdout.trim();
    await within(THERE, ['node', 'join', token], { env }).done;
    program = await bundle('worker', 'test/e2e/process');
    const argv = ['netns', 'exec', THERE, process.execPath, program];
    node = own.start(argv, { msMax: 600_000, program: 'ip', input: 'open', env });
    await isLive();
  });
  afterAll(async () => {
    heal();
    node.child.kill('SIGTERM');
    try {
      await own.close();
    } finally {
      for (const namespace of [HERE, THERE]) spawnSync('ip', ['netns', 'del', namespace]);
      rmSync(program, { force: true });
    }
  });

  test.each<[string, readonly Way[]]>([
    ...WAYS.map((way): [string, readonly Way[]] => [way, [way]]),
    ['both ways', WAYS],
  ])(
    '%s: the node is missed, nothing critical is executed, and it is back by itself',
    async (_, ways) => {
      for (const way of ways) cut(way);
      await until(async () => (await liveness()) !== 'live', 'it is missed', 40_000);
      const denied = await own.guard('touch executed', [...named, '--critical']);
      expect(denied.code).toBe(75);
      expect(denied.stderr).toMatch(/crm \((late|lost).*node_lost/);
      expect(existsSync(join(own.site, 'executed'))).toBe(false);
      heal();
      await isLive();
      expect((await own.guard('true', [...named, '--critical'])).code).toBe(0);
    },
    120_000,
  );

  test('while it is halted: it runs again at its deadline', async () => {
    const go = `${own.site}.go`;
    const script = 'touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done';
    const guard = own.startGuard(script, [...named, '--critical', '--hold'], { msMax: 120_000 });
    await until(() => existsSync(`${own.site}.ready`), 'the command runs');
    cut('to the node');
    await until(() => heartbeat().pulse.state === 'running', 'it runs by itself', 20_000);
    expect(heartbeat().pulse).toMatchObject({ held: false, why: 'the deadline passed before RESUME came' });
    heal();
    writeFileSync(go, '');
    await guard.done;
    await isLive();
    rmSync(go);
  }, 120_000);

  test.each<[string, readonly Way[]]>([
    ...WAYS.map((way): [string, readonly Way[]] => [way, [way]]),
    ['both ways', WAYS],
  ])(
    '%s, under a guard of the node, and under its heartbeats: its work stops before the controller undoes it',
    async (name, ways) => {
      const site = join(own.folder, `site ${name}`);
      mkdirSync(site);
      writeFileSync(join(site, 'config'), 'one\n');
      const script = 'while :; do date +%s%N > "$0.tick"; echo two > "$0/config"; sleep 0.02; done';
      const args = ['guard', '--intent', 'test', '--dataset', site, '--ttl', '4s', '--', 'sh', '-c', script, site];
      const guard = within(THERE, args, { env });
      await until(() => readFileSync(join(site, 'config'), 'utf8') === 'two\n', 'it works');
      const inside = await begin(node, own, `inside ${name}`, '4s');
      for (const way of ways) cut(way);
      const undoneAt = async (dataset: string): Promise<number | undefined> => {
        const { mutations } = await own.json<MutationList>(['log', '--limit', '2', ...named]);
        const last = mutations.find(({ datasets }) => datasets[0]?.name === dataset);
        if (last?.stage !== 'rolled_back') return undefined;
        const { records } = await own.json<MutationDetail>(['show', last.mutation, ...named]);
        return Date.parse(records.find(({ type }) => type === 'rollback_started')?.at ?? '');
      };
      const siteAt = await until(() => undoneAt(site), 'it is rolled back', 60_000);
      const insideAt = await until(() => undoneAt(inside), 'so is what the node did itself', 60_000);
      expect(Number(readFileSync(`${site}.tick`, 'utf8')) / 1e6).toBeLessThan(siteAt);
      expect(workedAt(inside)).toBeLessThan(insideAt);
      for (const dataset of [site, inside]) expect(readFileSync(join(dataset, 'config'), 'utf8')).toBe('one\n');
      heal();
      await found(node, 'stopped', inside);
      expect((await guard.done).code).not.toBe(0);
      await isLive();
    },
    120_000,
  );
});
