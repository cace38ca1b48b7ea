import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { type Mesh, meshAt, type Node } from './mesh-place.ts';
import { openPlace, type Place, ROOT, type RunOptions } from './place.ts';

/*
 * Three hosts in network namespaces: the controller; one in an allowed network, by a wire of its own; and one in another network, which
 * has a wire and a route to the controller's very address.
 *
 *   near 10.77.0.2 ──── 10.77.0.1 controller 192.168.77.1 ──── 192.168.77.2 far
 */
const ID = process.pid;
const [CONTROLLER, NEAR, FAR] = ['c', 'n', 'f'].map((letter) => `hauki-${ID}-${letter}`) as [string, string, string];
const ADDRESS = '10.77.0.1:7717';
const HAUKI = join(ROOT, 'hauki');

let place: Place;
let mesh: Mesh;
let near: Node;

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}

function wire(namespace: string, link: string, here: string, there: string): void {
  ip('-n', CONTROLLER, 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
  ip('-n', CONTROLLER, 'addr', 'add', `${here}/24`, 'dev', link);
  ip('-n', namespace, 'addr', 'add', `${there}/24`, 'dev', 'eth0');
  ip('-n', CONTROLLER, 'link', 'set', link, 'up');
  ip('-n', namespace, 'link', 'set', 'eth0', 'up');
  ip('-n', namespace, 'route', 'add', 'default', 'via', here);
}

/** The arguments that run hauki inside a namespace, with what runs it. */
const inside = (namespace: string, args: readonly string[]): string[] => ['netns', 'exec', namespace, HAUKI, ...args];
const IP: RunOptions = { program: 'ip' };

/** A node whose processes run in a namespace. */
function within(node: Node, namespace: string): Node {
  const start: Node['start'] = (args, options) => node.start(inside(namespace, args), { ...IP, ...options });
  return {
    ...node,
    start,
    run: async (args, options) => start(args, options).done,
    join: (token, options) => start(['node', 'join', token, '--json'], options).done,
    startGuard: (script, more = [], options) =>
      start(['guard', '--intent', 'test', '--path', place.site, ...more, '--', 'sh', '-c', script], options),
  };
}

/** What comes back from the controller's port to a peer in a namespace that says `sent`; and how often it got through. */
function bytesBack(namespace: string, sent: string): Promise<{ readonly connected: boolean; readonly bytes: number }> {
  const script = `
    const socket = require('node:net').connect(7717, '10.77.0.1');
    let connected = false, bytes = 0;
    socket.on('connect', () => { connected = true; socket.write(Buffer.from(process.argv[1], 'base64')); });
    socket.on('data', (chunk) => (bytes += chunk.length));
    socket.on('error', () => undefined);
    socket.on('close', () => console.log(JSON.stringify({ connected, bytes })));
    setTimeout(() => socket.destroy(), 3000).unref();`;
  return new Promise((resolve) => {
    const child = spawn('ip', [
      'netns',
      'exec',
      namespace,
      process.execPath,
      '-e',
      script,
      Buffer.from(sent, 'latin1').toString('base64'),
    ]);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.once('close', () => resolve(JSON.parse(text) as { connected: boolean; bytes: number }));
  });
}

needs('netns').describe('hosts in networks of their own', () => {
  beforeAll(async () => {
    for (const namespace of [CONTROLLER, NEAR, FAR]) {
      ip('netns', 'add', namespace);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    wire(NEAR, 'near', '10.77.0.1', '10.77.0.2');
    wire(FAR, 'far', '192.168.77.1', '192.168.77.2');
    place = openPlace();
    await place.json(['mesh', 'init', '--address', ADDRESS]);
    const args = ['controller', '--port', '0', '--json', '--listen', ADDRESS];
    mesh = meshAt(place, await place.controller(inside(CONTROLLER, args), IP), ADDRESS);
    near = within(mesh.node('near'), NEAR);
    await near.join(await mesh.invite('near'));
  });
  afterAll(async () => {
    try {
      await place.close();
    } finally {
      for (const namespace of [CONTROLLER, NEAR, FAR]) spawnSync('ip', ['netns', 'del', namespace]);
    }
  });

  test('one in an allowed network joins, guards and is answered', async () => {
    expect((await near.startGuard('echo near > config').done).code).toBe(0);
    expect(readFileSync(join(place.site, 'config'), 'utf8')).toBe('near\n');
    // The first five bytes of a TLS handshake that is none: answered with an alert, because here somebody listens.
    expect(await bytesBack(NEAR, '\x16\x03\x01\x00\x05hello')).toMatchObject({
      connected: true,
      bytes: expect.any(Number) as number,
    });
  });

  test('one in another network is dropped before TLS: not a byte comes back, whatever it says', async () => {
    const hello = '\x16\x03\x01\x00\x05hello';
    for (const sent of [hello, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n', '']) {
      expect((await bytesBack(FAR, sent)).bytes).toBe(0);
    }
    expect((await bytesBack(NEAR, hello)).bytes).toBeGreaterThan(0);
    const far = within(mesh.node('far'), FAR);
    const refused = await far.join(await mesh.invite('far'));
    expect(JSON.parse(refused.stdout)).toMatchObject({ code: 'controller_unreachable' });
    // With all the papers of a node that may, it is still in the wrong place.
    const smuggled = await within(mesh.node('near'), FAR).startGuard('true', ['--json']).done;
    expect(JSON.parse(smuggled.stdout)).toMatchObject({ code: 'controller_unreachable' });
    const said = /"network":[1-9].*192\.168\.77\.2.*turned away/;
    await until(() => said.test(mesh.controller.stderr()), 'the log says that somebody was turned away', 15_000);
    expect((await mesh.events()).some((event) => JSON.stringify(event).includes('192.168.77.2'))).toBe(false);
  });

  describe.each([
    [
      'in both directions',
      () => ip('-n', NEAR, 'link', 'set', 'eth0', 'down'),
      () => {
        ip('-n', NEAR, 'link', 'set', 'eth0', 'up');
        ip('-n', NEAR, 'route', 'replace', 'default', 'via', '10.77.0.1');
      },
    ],
    [
      'from the controller to the node',
      () => ip('-n', CONTROLLER, 'route', 'add', 'blackhole', '10.77.0.2/32'),
      () => ip('-n', CONTROLLER, 'route', 'del', 'blackhole', '10.77.0.2/32'),
    ],
    [
      'from the node to the controller',
      () => ip('-n', NEAR, 'route', 'add', 'blackhole', '10.77.0.1/32'),
      () => ip('-n', NEAR, 'route', 'del', 'blackhole', '10.77.0.1/32'),
    ],
  ] as const)('a wire cut %s', (_, cut, mend) => {
    test('ends the change: the holder stops before its lease is over, the controller undoes it after', async () => {
      const before = readFileSync(join(place.site, 'config'), 'utf8');
      const ticks = join(place.folder, `ticks-${Math.random()}`);
      const script = `echo lost > config; while :; do date +%s%3N >> ${ticks}; sleep 0.05; done`;
      const running = near.startGuard(script, ['--ttl', '4s']);
      await until(() => readFileSync(join(place.site, 'config'), 'utf8') === 'lost\n', 'the work has begun');
      try {
        cut();
        await until(async () => (await mesh.log())[0]?.stage === 'rolled_back', 'the controller undoes it', 20_000);
      } finally {
        mend();
      }
      const { code, stderr } = await running.done;
      expect([code === 0, stderr.includes('clearance lost')]).toEqual([false, true]);
      expect(readFileSync(join(place.site, 'config'), 'utf8')).toBe(before);
      const [mutation] = await mesh.log();
      // Where only the way back is cut, the controller hears the holder hang up, having stopped.
      expect(['lease_expired', 'holder_gone']).toContain(mutation?.reason?.code);
      const records = (await place.show(mutation?.mutation ?? '')).records;
      const undone = Date.parse(records.find(({ type }) => type === 'rollback_started')?.at ?? '');
      const last = Number(readFileSync(ticks, 'utf8').trim().split('\n').at(-1));
      expect(last).toBeLessThan(undone);
      // And as soon as there is a way again, all goes on.
      expect((await near.startGuard('true', ['--wait', '20s']).done).code).toBe(0);
    });
  });

  test('a cut shorter than the lease is waited out', async () => {
    const running = near.startGuard('echo kept > config; sleep 8', ['--ttl', '15s']);
    await until(() => readFileSync(join(place.site, 'config'), 'utf8') === 'kept\n', 'the work has begun');
    ip('-n', NEAR, 'link', 'set', 'eth0', 'down');
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    ip('-n', NEAR, 'link', 'set', 'eth0', 'up');
    ip('-n', NEAR, 'route', 'replace', 'default', 'via', '10.77.0.1');
    expect((await running.done).code).toBe(0);
    expect(readFileSync(join(place.site, 'config'), 'utf8')).toBe('kept\n');
  });
});
