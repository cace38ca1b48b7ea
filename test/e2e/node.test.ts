import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import type { NodeProcessStatus } from '../../src/node/door.ts';
import { until } from '../until.ts';
import { isLive, meshAt, nodeAt } from './mesh.ts';
import { openMesh } from './mesh-place.ts';
import { place } from './place.ts';

/* The node process by itself, and with its controller there, gone and back. */

describe('a node process', () => {
  test('says how it is: to its controller, into its file, to whoever asks at the node', async () => {
    const own = place();
    const here = await meshAt(own);
    const crm = nodeAt(own, 'crm');
    await isLive(here, 'crm');
    const said = here.mesh.presence('crm')?.heartbeat;
    expect(said).toMatchObject({ pulse: { state: 'running', epoch: 0 }, leases: [] });
    expect(said?.memoryBytes).toBeGreaterThan(1e6);
    await until(() => (crm.heartbeat()?.seq ?? 0) >= 3, 'it goes on');
    expect(crm.heartbeat()).toMatchObject({ node: 'crm', pulse: { boot: said?.pulse.boot, state: 'running' } });
    const status = JSON.parse((await crm.hauki(['node', 'status', '--json'])).stdout) as NodeProcessStatus;
    expect(status).toMatchObject({
      pid: crm.running.pid,
      nodes: [{ node: 'crm', uplinks: [{ name: 'link', up: true }], frozen: [] }],
    });
    expect((await crm.hauki(['node', 'status'])).stdout).toMatch(/crm +running +linked/);
    expect((await crm.hauki(['thaw'])).stdout).toBe('crm was not halted\n');
    crm.signal('SIGTERM');
    expect((await crm.running.done).code).toBe(0);
    expect(existsSync(join(crm.home, 'node.sock'))).toBe(false);
    expect((await crm.hauki(['node', 'status'])).code).toBe(75);
    expect((await crm.hauki(['thaw'])).stdout).toMatch(/no node process runs.*nothing is frozen/);
  });

  test('is late and lost while it is stopped, its link is given up, and it is back when it goes on', async () => {
    const own = place();
    const here = await meshAt(own);
    const crm = nodeAt(own, 'crm');
    await isLive(here, 'crm');
    crm.signal('SIGSTOP');
    const stoppedAt = Date.now();
    await until(() => here.mesh.presence('crm')?.liveness === 'late', 'late');
    await until(() => here.mesh.presence('crm')?.liveness === 'lost', 'lost', 30_000);
    expect(here.mesh.presence('crm')?.since).toBeGreaterThanOrEqual(stoppedAt + 12_000);
    crm.signal('SIGCONT');
    await isLive(here, 'crm');
    expect(crm.running.stderr().match(/linked to the controller/g)).toHaveLength(2);
  });

  test('links again to a controller that was killed, for as long as that takes, and no more when it is revoked', async () => {
    const own = place();
    const { address, controller, joined } = await openMesh(own, 16_701 + (process.pid % 900));
    await joined('crm');
    const crm = nodeAt(own, 'crm', { controllers: [address] });
    const isLinked = async (): Promise<boolean> => {
      const { code, stdout } = await crm.hauki(['node', 'status', '--json']);
      return code === 0 && (JSON.parse(stdout) as NodeProcessStatus).nodes[0]?.uplinks[0]?.up === true;
    };
    await until(isLinked, 'it is linked');
    controller.child.kill('SIGKILL');
    await until(async () => !(await isLinked()), 'it knows');
    await own.controller(['controller', '--port', '0', '--json', '--listen', address]);
    await until(isLinked, 'it is linked again');
    expect((await own.run(['node', 'revoke', 'crm'])).code).toBe(0);
    await until(async () => !(await isLinked()), 'a revoked node is cut off');
    expect(crm.running.child.exitCode).toBeNull();
  });

  test('killed again and again: its last heartbeat stays whole, and each run is another', async () => {
    const own = place();
    const crm = nodeAt(own, 'crm');
    const boots = new Set<string>();
    for (let kill = 0; kill < 6; kill += 1) {
      await until(() => {
        const boot = crm.heartbeat()?.pulse.boot;
        return boot !== undefined && !boots.has(boot);
      }, 'it has spoken');
      boots.add(crm.heartbeat()?.pulse.boot ?? '');
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
      crm.signal('SIGKILL');
      await crm.running.done;
      expect(crm.heartbeat()?.node).toBe('crm');
      crm.start();
    }
    expect(boots.size).toBe(6);
  });

  test('there is one of a home', async () => {
    const crm = nodeAt(place(), 'crm');
    await until(() => existsSync(join(crm.home, 'node.sock')), 'it runs');
    const second = await crm.hauki(['node', 'run']);
    expect(second.code).toBe(75);
    expect(second.stderr).toMatch(/A node process runs already.*home_locked/);
    expect((await crm.hauki(['node', 'status'])).code).toBe(0);
  });

  test('can be several nodes, each with its folder', async () => {
    const own = place();
    const here = await meshAt(own);
    const root = join(own.folder, 'several');
    for (const name of ['crm', 'billing']) {
      mkdirSync(join(root, 'nodes', name), { recursive: true });
      writeFileSync(join(root, 'nodes', name, 'node.yaml'), 'halt: { flush: [{ run: [touch, flushed] }] }\n');
    }
    const running = own.start(['node', 'run', '--serve', 'crm, billing'], {
      env: { HAUKI_NODE_HOME: root },
      msMax: 600_000,
    });
    await isLive(here, 'crm', 'billing');
    for (const name of ['crm', 'billing']) {
      const file = join(root, 'nodes', name, 'heartbeat.json');
      await until(() => existsSync(file), 'its heartbeat is there');
      expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ node: name });
    }
    const halted = await here.mesh.halt({ epoch: 3, nodes: ['crm', 'billing'], intent: 'x', flushMsMax: 20_000 });
    expect(halted).toMatchObject({ ok: true });
    expect(await here.mesh.verify(3, false)).toMatchObject({ ok: true });
    const status = await own.run(['node', 'status'], { env: { HAUKI_NODE_HOME: root } });
    expect(status.stdout).toMatch(/crm +running \(barrier 3\) +linked[^\n]*\nbilling +running \(barrier 3\) +linked/);
    running.child.kill('SIGTERM');
    expect((await running.done).code).toBe(0);
    for (const wrong of ['', 'crm,', 'crm,crm', 'a/b']) {
      const { code } = await own.run(['node', 'run', '--serve', wrong], { env: { HAUKI_NODE_HOME: `${root}-2` } });
      expect(code).toBe(64);
    }
  });

  test('does not run with a configuration that cannot be understood, and names the place', async () => {
    const own = place();
    const home = join(own.folder, 'odd');
    mkdirSync(home);
    for (const [text, message] of [
      ['halt: { flsh: [] }', /halt: .*"flsh"/],
      ['halt: { flush: [{ run: pg_dump /srv }] }', /halt\.flush\.0\.run: is no list of a program and its arguments/],
      ['halt: { flush: [{ run: [] }] }', /halt\.flush\.0\.run/],
      ['halt: { flush: [{ run: [a], within: 5 }] }', /halt\.flush\.0\.within/],
      ['halt: { flush: [{ run: [a], within: soon }] }', /"soon" is not a duration/],
      ['halt: { sync: [srv] }', /halt\.sync\.0: is no absolute path/],
      ['halt: { freeze: [crm.service] }', /halt\.freeze\.0: say what is to be frozen/],
      ['halt: { freezeMax: 0s }', /halt\.freezeMax: is not between/],
      ['node: "a/b"', /node: .*"a\/b"/],
      ['controllers: [somewhere]', /controllers\.0: is no controller/],
      ['halt: [', /node\.yaml cannot be used/],
    ] as const) {
      writeFileSync(join(home, 'node.yaml'), text);
      const { code, stderr } = await own.run(['node', 'run'], { env: { HAUKI_NODE_HOME: home } });
      expect(stderr).toMatch(message);
      expect(code).toBe(64);
    }
    writeFileSync(join(home, 'node.yaml'), 'controllers: ["db:7718"]');
    const { code, stderr } = await own.run(['node', 'run'], { env: { HAUKI_NODE_HOME: home } });
    expect([code, stderr]).toEqual([75, expect.stringMatching(/node\.pem cannot be read.*\(mesh_missing\)/)]);
  });
});
