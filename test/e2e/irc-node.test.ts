import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { Client } from '../../src/client/client.ts';
import type { HeartbeatRecord } from '../../src/node/node.ts';
import type { NodeProcessStatus } from '../../src/node/door.ts';
import type { StatusView } from '../../src/wire/http.ts';
import type { NodeList } from '../../src/wire/mesh.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { type Mesh, type Node, openMesh } from './mesh-place.ts';
import { ngircd, type Ngircd, person, type Person } from './ngircd.ts';
import { type Outcome, place, type Place, type Running } from './place.ts';

/*
 * A controller, two nodes that link to it, and one that has nothing but IRC: real processes, really joined, on a real server. Both ends
 * have the flood limits they have by default, and come back to a server sooner than they would.
 */
const PORT = 19_701 + (process.pid % 500) * 3;
const CONTROL = '#control';
const QUICK = { quiet: '500ms', answer: '700ms', retry: '100ms', retryMax: '300ms' };

interface MeshNode extends Node {
  running: Running;
  readonly start: Node['start'];
  readonly begin: () => void;
  readonly heartbeat: () => HeartbeatRecord | undefined;
  readonly status: () => Promise<NodeProcessStatus['nodes'][number]>;
}

interface Scene {
  readonly own: Place;
  readonly server: Ngircd;
  readonly mesh: Mesh;
  readonly crm: MeshNode;
  readonly web: MeshNode;
  /** Has IRC only. */
  readonly apart: MeshNode;
  readonly barrier: () => Promise<Outcome>;
  readonly live: (...names: string[]) => Promise<void>;
  readonly ignored: () => Promise<Readonly<Record<string, number>>>;
}

/** @param hook crm's: it flushes for as long as that runs */
async function scene(hook = 'true'): Promise<Scene> {
  const own = place();
  const server = await ngircd(join(own.folder, 'ngircd'));
  onTestFinished(server.close);
  await server.start();
  const irc = { server: '127.0.0.1', port: server.port, tls: false, patience: QUICK };
  mkdirSync(own.home, { recursive: true });
  const config = { irc: { ...irc, channel: '#mesh', controlChannel: CONTROL } };
  writeFileSync(join(own.home, 'config.yaml'), JSON.stringify(config));
  const mesh = await openMesh(own, PORT);
  const started = async (name: string, more: object): Promise<MeshNode> => {
    const node = await mesh.joined(name);
    const file = join(node.home, 'node.yaml');
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...more }));
    const begin = (): Running => node.start(['node', 'run'], { msMax: 600_000 });
    const made: MeshNode = {
      ...node,
      running: begin(),
      begin: () => void (made.running = begin()),
      heartbeat: () => {
        try {
          return JSON.parse(readFileSync(join(node.home, 'heartbeat.json'), 'utf8')) as HeartbeatRecord;
        } catch {
          return undefined;
        }
      },
      status: async () => {
        const { stdout } = await node.run(['node', 'status', '--json']);
        const [status] = (JSON.parse(stdout) as NodeProcessStatus).nodes;
        if (status === undefined) throw new Error('no node');
        return status;
      },
    };
    onTestFinished(() => void made.running.child.kill('SIGKILL'));
    return made;
  };
  const crm = await started('crm', { halt: { flush: [{ run: ['sh', '-c', hook, own.folder] }] } });
  const web = await started('web', {});
  const apart = await started('apart', { link: false, irc: { ...irc, channel: CONTROL } });
  const client = new Client({ name: 'the controller', socketPath: join(own.home, 'controller.sock') });
  const live = async (...names: string[]): Promise<void> => {
    await until(
      async () => {
        const { nodes } = await client.nodes();
        const found = nodes.filter(({ presence }) => presence?.liveness === 'live');
        const there = new Set(found.map(({ node }) => node));
        return names.every((name) => there.has(name));
      },
      `${names.join(', ')} live`,
    );
  };
  await live('crm', 'web', 'apart');
  return {
    ...{ own, server, mesh, crm, web, apart, live },
    barrier: () =>
      own.run(['barrier', '--intent', 'test', '--path', own.site, '--flush', '2m', '--json'], { msMax: 150_000 }),
    ignored: async () => (await own.json<StatusView>(['status'])).irc?.ignored ?? {},
  };
}

/** A flush that goes on until the test wants it to end. */
const SLOW = 'until [ -e "$0/go" ]; do sleep 0.05; done';

/** A barrier in which the node on IRC has flushed, and another has not. */
async function halfway({ apart, barrier }: Scene): Promise<{ readonly over: Promise<Outcome> }> {
  const over = barrier();
  await until(() => apart.heartbeat()?.pulse.state === 'halted', 'the node on IRC is halted');
  return { over };
}

function goOn({ own }: Scene): void {
  writeFileSync(join(own.folder, 'go'), '');
}

async function mallory({ server }: Scene): Promise<Person> {
  const reader = await person(server.port, 'mallory', [CONTROL]);
  onTestFinished(reader.leave);
  return reader;
}

const verified = (outcome: Outcome): unknown => (JSON.parse(outcome.stdout) as { participants?: unknown }).participants;
const ALL = ['apart', 'crm', 'web'];

needs('ngircd').describe('a node that has nothing but IRC', () => {
  test('takes part in a barrier with those that are linked, and is what its key says', async () => {
    const one = await scene();
    const reader = await mallory(one);
    const outcome = await one.barrier();
    expect([outcome.code, outcome.stderr]).toEqual([0, '']);
    expect((verified(outcome) as string[]).toSorted()).toEqual(ALL);
    await until(() => one.apart.heartbeat()?.pulse.held === true, 'it knows that it held');
    expect((await one.apart.status()).uplinks).toMatchObject([{ name: 'irc', up: true }]);
    const { nodes } = await one.own.json<NodeList>(['node', 'list']);
    expect(nodes.map(({ node, presence }) => [node, presence?.carrier])).toEqual([
      ['crm', 'link'],
      ['web', 'link'],
      ['apart', 'irc'],
    ]);

    // What was said once counts once, and what was never said not at all.
    const said = [...reader.lines('hauki'), ...reader.lines('apart')].filter((line) => line.startsWith('HAUKI1 '));
    const orders = said.filter((line) => /^HAUKI1 (halt|resume)/.test(line));
    const beats = said.filter((line) => line.startsWith('HAUKI1 heartbeat apart'));
    expect([orders.length >= 2, beats.length >= 4]).toEqual([true, true]);
    for (const line of [...orders, ...beats]) reader.client.say(CONTROL, line);
    const changed = (line: string): string => line.replace(/ \d{13} /, ` ${Date.now() + 5_000} `);
    for (const line of [...orders, ...beats]) reader.client.say(CONTROL, changed(line));
    await until(async () => {
      const { replayed = 0, forged = 0 } = await one.ignored();
      return replayed >= beats.length && forged >= beats.length;
    }, 'the controller counts them');
    const { view, pulse } = await one.apart
      .status()
      .then(({ uplinks, heartbeat }) => ({ view: uplinks[0]?.view, pulse: heartbeat.pulse }));
    expect(view).toMatchObject({
      ignored: { replayed: expect.any(Number) as number, forged: expect.any(Number) as number },
    });
    expect(pulse).toMatchObject({ state: 'running', held: true });

    // Its key is another now, and the process that runs signs with it.
    expect((await one.apart.run(['node', 'rotate'])).code).toBe(0);
    expect(verified(await one.barrier())).toHaveLength(3);

    await one.own.json(['node', 'revoke', 'apart']);
    const { unknown_sender: before = 0 } = await one.ignored();
    await until(async () => ((await one.ignored())['unknown_sender'] ?? 0) > before, 'its lines are ignored');
    expect((verified(await one.barrier()) as string[]).toSorted()).toEqual(['crm', 'web']);
    expect((await one.apart.status()).heartbeat.pulse.epoch).toBeLessThan(
      one.crm.heartbeat()?.pulse.epoch ?? Number.NaN,
    );
  });

  test.each<[string, (one: Scene) => void | Promise<void>, (one: Scene) => void | Promise<void>]>([
    ['killed', ({ apart }) => void apart.running.child.kill('SIGKILL'), ({ apart }) => apart.begin()],
    [
      'stopped beyond its deadline',
      async ({ apart }) => {
        apart.running.child.kill('SIGSTOP');
        await new Promise((resolve) => setTimeout(resolve, 10_500));
      },
      ({ apart }) => void apart.running.child.kill('SIGCONT'),
    ],
    [
      'left without its server',
      async ({ server, apart }) => {
        await server.kill();
        await until(() => apart.heartbeat()?.pulse.state === 'running', 'it runs again by itself');
      },
      ({ server }) => server.start(),
    ],
  ])('that is %s after its flush breaks the barrier, and is in the next', async (_, spoil, mend) => {
    const one = await scene(SLOW);
    const { over } = await halfway(one);
    await spoil(one);
    goOn(one);
    const outcome = await over;
    expect([outcome.code, JSON.parse(outcome.stdout)]).toMatchObject([75, { code: 'barrier_broken' }]);
    const stage = async (): Promise<string | undefined> => (await one.own.mutations())[0]?.stage;
    await until(async () => (await stage()) === 'denied', 'its snapshot is withdrawn');
    await mend(one);
    await until(() => one.apart.heartbeat()?.pulse.held === false, 'it knows that it did not hold');
    await until(async () => verified(await one.barrier()), 'the next holds');
  });

  test('is heard by a controller that was restarted, and joins in when it has been told the key', async () => {
    const one = await scene();
    expect(verified(await one.barrier())).toHaveLength(3);
    one.mesh.controller.child.kill('SIGKILL');
    await one.mesh.controller.done;
    await one.own.controller(['controller', '--port', '0', '--json', '--listen', one.mesh.address]);
    await one.live(...ALL);
    expect(verified(await one.barrier())).toHaveLength(3);

    // As one that joined before controllers told their key.
    one.apart.running.child.kill('SIGTERM');
    await one.apart.running.done;
    rmSync(join(one.apart.home, 'controller.json'));
    const refused = await one.apart.run(['node', 'run']);
    expect([refused.code, refused.stderr]).toEqual([75, expect.stringMatching(/controller\.json.*hauki node rotate/s)]);
    expect((await one.apart.run(['node', 'rotate'])).code).toBe(0);
    one.apart.begin();
    await until(async () => verified(await one.barrier()), 'it is in the next');
  });
});
