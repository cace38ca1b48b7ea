import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, expect, onTestFinished, test } from 'vitest';

import type { HeartbeatRecord } from '../../src/node/node.ts';
import type { NodeList } from '../../src/wire/mesh.ts';
import { type DatagramSocket, datagramSocket } from '../bin/datagram-socket.ts';
import { needs } from '../needs.ts';
import { startSshd } from '../reach/sshd.ts';
import { until } from '../until.ts';
import { buildExecutable, EXE } from './executable.ts';
import { place, type Place, type Running, type RunOptions } from './place.ts';
import { vaultIn } from './vaults.ts';

/* The single executable as a node of a mesh whose controller runs under Node. */

interface World {
  readonly own: Place;
  /** Runs the executable, on a machine without Node. */
  readonly start: (args: readonly string[], options?: RunOptions) => Running;
  readonly join: (name: string, home: string) => Promise<void>;
  readonly isLive: (name: string) => Promise<boolean>;
}

async function world(): Promise<World> {
  const own = place();
  expect((await own.run(['mesh', 'init'])).code).toBe(0);
  await own.controller(['controller', '--port', '0', '--listen', '127.0.0.1:0', '--json']);
  const start: World['start'] = (args, options) =>
    own.start(args, { msMax: 600_000, ...options, program: EXE, env: { PATH: '/usr/bin:/bin', ...options?.env } });
  return {
    own,
    start,
    join: async (name, home) => {
      const input = (await own.run(['node', 'invite', name])).stdout;
      const joined = await start(['node', 'join', '-', '--home', home, '--json'], { input }).done;
      expect(joined.stderr + joined.stdout).toMatch(/"status":"joined"/);
    },
    isLive: (name) =>
      until(
        async () => {
          const { nodes } = await own.json<NodeList>(['node', 'list']);
          return nodes.find(({ node }) => node === name)?.presence?.liveness === 'live';
        },
        `${name} is live`,
        40_000,
      ),
  };
}

/** As systemd starts it. */
function supervision(own: Place): { readonly socket: DatagramSocket; readonly env: NodeJS.ProcessEnv } {
  const path = join(own.folder, 'notify');
  const socket = datagramSocket(path);
  onTestFinished(() => socket.close());
  return { socket, env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '9000000' } };
}

needs('executable').describe('the executable', () => {
  beforeAll(buildExecutable, 300_000);

  test('and Node see each other as keeper of one vault', async () => {
    const own = place();
    const vault = await vaultIn(own);
    const where = ['--cipher', vault.cipher, '--key-file', vault.keyFile, '--mount', vault.mount];
    const env = { PATH: '/usr/bin:/bin', ...vault.env };
    const byItself = (verb: string): Running =>
      own.start(['vault', verb, ...where], { msMax: 600_000, program: EXE, env });
    const kept = byItself('mount');
    await until(() => kept.stdout().includes('is mounted on'), 'the executable has mounted it', 40_000);
    const seen = await vault.run('status');
    expect([seen.code, seen.stdout]).toEqual([0, expect.stringMatching(new RegExp(`process ${kept.child.pid}$`, 'm'))]);
    expect((await vault.run('mount')).stderr).toContain('vault_in_use');
    expect((await vault.run('unmount')).code).toBe(0);
    expect((await kept.done).code).toBe(0);
    await vault.keep();
    expect((await byItself('mount').done).stderr).toContain('vault_in_use');
  });

  test('joins, is live, tells its supervisor, halts and flushes for a critical mutation, and stops when told to', async () => {
    const { own, start, join: joinAs, isLive } = await world();
    const home = join(own.folder, 'node');
    await joinAs('crm', home);
    const described = JSON.parse(readFileSync(join(home, 'node.yaml'), 'utf8')) as object;
    const halt = { flush: [{ run: ['sh', '-c', 'env >flushed'] }], sync: [own.site] };
    writeFileSync(join(home, 'node.yaml'), JSON.stringify({ ...described, halt }));
    const { socket, env } = supervision(own);
    const node = start(['node', 'run'], { env: { HAUKI_NODE_HOME: home, ...env } });
    await isLive('crm');
    await until(() => socket.taken().some((text) => text.includes('WATCHDOG=1')), 'it says that it is alive', 20_000);
    expect(socket.taken()[0]).toMatch(/^READY=1\nSTATUS=crm: running/);
    await until(
      () => /STATUS=crm: running, linked to 127/.test(socket.taken().join('\n')),
      'it says that it is linked',
    );

    const done = await own.guard('echo two > config', ['--critical']);
    expect(done.stderr).not.toMatch(/denied/);
    expect(done.code).toBe(0);
    const flushed = readFileSync(join(own.site, 'flushed'), 'utf8');
    expect(flushed).toMatch(/HAUKI_NODE=crm/);
    // Whatever it starts is not to speak for it.
    expect(flushed).not.toMatch(/NOTIFY_SOCKET|WATCHDOG/);

    const asked = { env: { HAUKI_NODE_HOME: home } };
    expect((await start(['thaw'], asked).done).code).toBe(0);
    expect(JSON.parse((await start(['node', 'status', '--json'], asked).done).stdout)).toMatchObject({
      nodes: [{ node: 'crm', heartbeat: { pulse: { held: true } } }],
    });

    node.child.kill('SIGTERM');
    expect(await node.done).toMatchObject({ code: 0, signal: null });
    expect(socket.taken().at(-1)).toBe('STOPPING=1\nSTATUS=stopping');
    expect(existsSync(join(home, 'node.sock'))).toBe(false);
  });

  test('says nothing more to its supervisor while it hangs', async () => {
    const { own, start, join: joinAs, isLive } = await world();
    const home = join(own.folder, 'node');
    await joinAs('crm', home);
    const { socket, env } = supervision(own);
    const node = start(['node', 'run'], { env: { HAUKI_NODE_HOME: home, ...env } });
    await isLive('crm');
    node.child.kill('SIGSTOP');
    onTestFinished(() => void node.child.kill('SIGKILL'));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = socket.taken().length;
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(socket.taken().length).toBe(before);
    node.child.kill('SIGCONT');
    await until(() => socket.taken().length > before, 'it is alive again', 20_000);
  });

  test('is several nodes at once, and hears that one of them is revoked', async () => {
    const { own, start, join: joinAs, isLive } = await world();
    const home = join(own.folder, 'nodes-home');
    for (const name of ['crm', 'billing']) await joinAs(name, join(home, 'nodes', name));
    const node = start(['node', 'run', '--serve', 'crm,billing'], { env: { HAUKI_NODE_HOME: home } });
    await isLive('crm');
    await isLive('billing');
    expect((await own.run(['node', 'revoke', 'billing'])).code).toBe(0);
    await until(() => /revoked/.test(node.stderr()), 'the log says why there is no link', 30_000);
    const beat = join(home, 'nodes/crm/heartbeat.json');
    expect((JSON.parse(readFileSync(beat, 'utf8')) as HeartbeatRecord).node).toBe('crm');
    node.child.kill('SIGTERM');
    expect((await node.done).code).toBe(0);
  });

  test('guards as the node it is, with its certificate', async () => {
    const { own, start, join: joinAs } = await world();
    const home = join(own.folder, 'node');
    await joinAs('crm', home);
    const env = { HAUKI_NODE_HOME: home };
    const guard = ['guard', '--intent', 'test', '--path', own.site, '--json', '--', 'sh', '-c'];
    const failed = await start([...guard, 'rm config; exit 3'], { env }).done;
    expect(failed.code).toBe(3);
    expect(JSON.parse(failed.stdout)).toMatchObject({ status: 'rolled_back' });
    expect((await start([...guard, 'echo new > config'], { env }).done).code).toBe(0);
    expect((await own.mutations()).map(({ node, stage }) => [node, stage])).toEqual([
      ['crm', 'committed'],
      ['crm', 'rolled_back'],
    ]);
  });

  test('says of what it does not have that it does not have it', async () => {
    const own = place();
    const run = (args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> =>
      own.run(args, { program: EXE });
    for (const args of [['controller'], ['up'], ['doctor'], ['audit', 'verify']]) {
      const { code, stderr } = await run(args);
      expect(stderr).toMatch(/native_missing/);
      expect(code).toBe(75);
    }
    const { code, stderr } = await run(['guard', '--intent', 'test', '--path', own.site, '--', 'touch', 'executed']);
    expect(stderr).toMatch(/cannot start one/);
    expect(code).toBe(75);
    expect(existsSync(join(own.site, 'executed'))).toBe(false);
    expect((await run(['controller', '--help'])).code).toBe(0);
  });

  test('takes nothing from the folder in which somebody stands', async () => {
    const own = place();
    const cwd = join(own.folder, 'trap');
    mkdirSync(cwd);
    writeFileSync(join(cwd, '.env'), `HAUKI_HOME=${own.folder}/trapped\nHAUKI_CONTROLLER=http://127.0.0.1:1\n`);
    writeFileSync(join(cwd, 'bunfig.toml'), 'preload = ["./trap.js"]\n');
    writeFileSync(join(cwd, 'trap.js'), 'require("node:fs").writeFileSync("sprung", "")');
    const { stderr } = await own.run(['status'], { program: EXE, cwd });
    expect(stderr).toMatch(own.home);
    expect(existsSync(join(cwd, 'sprung'))).toBe(false);
  });
});

needs('executable', 'sshd', 'ssh-keygen').describe('the executable reaches', () => {
  beforeAll(buildExecutable, 300_000);

  test('another host by ssh', async () => {
    const own = place();
    const sshd = await startSshd();
    onTestFinished(() => sshd.close());
    const { user = '', host, port = 22 } = sshd.destination;
    const { knownHosts = '', identity = '', config = '' } = sshd.options;
    const words = ['--known-hosts', knownHosts, '--identity', identity, '--ssh-config', config];
    const argv = ['exec', '--via', `ssh:${user}@${host}:${port}`, ...words, '--', 'sh', '-c', 'cat; exit 3'];
    const there = await own.run(argv, { program: EXE, input: Buffer.from('a 🐟\0\n') });
    expect(there.bytes.stdout).toEqual(Buffer.from('a 🐟\0\n'));
    expect(there.code).toBe(3);
  });
});
