import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import type { NodeProcessStatus } from '../../src/node/door.ts';
import type { HeartbeatRecord } from '../../src/node/node.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { nodeAt, type NodeHere } from './mesh.ts';
import { place } from './place.ts';
import { type VaultHere, vaultIn } from './vaults.ts';

/* A node that has a vault: it mounts it, watches it, and has its heartbeat in it. */

needs('gocryptfs').describe('a node with a vault', () => {
  const settings = ({ cipher, mount, keyFile }: VaultHere): object => ({
    vault: { cipher, mount, key: { file: keyFile } },
  });
  const inVault = (vault: VaultHere, node: string): HeartbeatRecord | undefined => {
    try {
      return JSON.parse(readFileSync(vault.at('nodes', node, 'heartbeat.json'), 'utf8')) as HeartbeatRecord;
    } catch {
      return undefined;
    }
  };
  const stands = async (node: NodeHere): Promise<NodeProcessStatus['nodes'][number] | undefined> => {
    const { code, stdout } = await node.hauki(['node', 'status', '--json']);
    return code === 0 ? (JSON.parse(stdout) as NodeProcessStatus).nodes[0] : undefined;
  };

  test('mounts it, beats in it, mounts it again when it is killed, and unmounts it at the end', async () => {
    const own = place();
    const vault = await vaultIn(own);
    const crm = nodeAt(own, 'crm', settings(vault));
    const first = await until(() => inVault(vault, 'crm'), 'its heartbeat is in the vault');
    expect(first).toMatchObject({ node: 'crm', pulse: { state: 'running' } });
    expect(existsSync(vault.at('nodes/crm/inbox'))).toBe(true);
    expect((await crm.hauki(['node', 'status'])).stdout).toMatch(/VAULT[^\n]*\ncrm .* mounted /);
    process.kill(vault.servers()[0] ?? 0, 'SIGKILL');
    const seq = crm.heartbeat()?.seq ?? 0;
    await until(() => (inVault(vault, 'crm')?.seq ?? 0) > seq + 1, 'and it beats there again');
    expect((await stands(crm))?.vault).toMatchObject({ state: 'mounted', remounts: 1, cipher: vault.cipher });
    // Who comes to unmount it is told whose it is; a remount is no problem of the node's.
    const denied = await vault.run('unmount');
    expect([denied.code, denied.stderr]).toEqual([75, expect.stringMatching(/The node process \d+ keeps/)]);
    expect((await vault.run('mount')).stderr).toContain('vault_in_use');
    expect((await vault.run('remount')).code).toBe(0);
    await until(async () => (await stands(crm))?.vault?.remounts === 2, 'the node knows');
    crm.signal('SIGTERM');
    expect((await crm.running.done).code).toBe(0);
    expect([vault.isMounted(), vault.servers()]).toEqual([false, []]);
  });

  test('is in the mesh without it, says why it is away, writes nothing into the bare folder, and mounts it when it can', async () => {
    const own = place();
    const vault = await vaultIn(own);
    writeFileSync(vault.keyFile, 'wrong\n');
    const crm = nodeAt(own, 'crm', settings(vault));
    await until(async () => (await stands(crm))?.vault?.why !== undefined, 'it knows');
    expect((await stands(crm))?.vault).toMatchObject({ why: expect.stringContaining('key does not open') as string });
    expect((await crm.hauki(['node', 'status'])).stdout).toMatch(/crm: The key does not open the vault/);
    await until(() => (crm.heartbeat()?.seq ?? 0) >= 2, 'it beats all the same');
    expect(existsSync(vault.at('nodes'))).toBe(false);
    writeFileSync(vault.keyFile, vault.key);
    await until(() => inVault(vault, 'crm'), 'its heartbeat is in the vault');
    // Killed, it leaves the mount behind; the next run takes over.
    crm.signal('SIGKILL');
    await crm.running.done;
    const boot = crm.heartbeat()?.pulse.boot;
    crm.start();
    await until(() => ![undefined, boot].includes(inVault(vault, 'crm')?.pulse.boot), 'the next one beats');
    await until(() => vault.servers().length === 1, 'the one before has ended');
    crm.signal('SIGTERM');
    await crm.running.done;
    expect(vault.isMounted()).toBe(false);
  });

  test('runs the tasks that are dropped into it, each once, also when it is killed under one', async () => {
    const own = place();
    const vault = await vaultIn(own);
    await own.controller();
    const ran = join(own.folder, 'ran');
    const crm = nodeAt(own, 'crm', { ...settings(vault), tasks: { datasets: [own.site], unsigned: 'run' } });
    await until(() => existsSync(vault.at('nodes/crm/inbox')), 'its folders are there');
    const names = ['a.task', 'b.task', 'c.task'];
    for (const name of names) {
      const file = join(own.folder, name);
      writeFileSync(file, `#!/bin/sh\necho ${name} >>'${ran}'\ncp '${ran}' state\nsleep 1\n`);
      expect((await crm.hauki(['task', 'drop', 'crm', file])).code).toBe(0);
    }
    await until(() => existsSync(ran), 'the first one runs');
    process.kill(vault.servers()[0] ?? 0, 'SIGKILL');
    const ended = (name: string): boolean => existsSync(vault.at('nodes/crm/done', `${name}.result.json`));
    await until(() => names.every(ended), 'all are done', 40_000);
    expect(readFileSync(ran, 'utf8')).toBe('a.task\nb.task\nc.task\n');
    expect(readFileSync(join(own.site, 'state'), 'utf8')).toBe('a.task\nb.task\nc.task\n');
    crm.signal('SIGTERM');
    await crm.running.done;
  });

  test('can be several nodes in one vault; what cannot be meant is refused', async () => {
    const own = place();
    const vault = await vaultIn(own);
    const root = join(own.folder, 'several');
    for (const name of ['crm', 'billing']) {
      mkdirSync(join(root, 'nodes', name), { recursive: true });
      writeFileSync(join(root, 'nodes', name, 'node.yaml'), JSON.stringify(settings(vault)));
    }
    const several = own.start(['node', 'run', '--serve', 'crm,billing'], {
      env: { HAUKI_NODE_HOME: root },
      msMax: 600_000,
    });
    await until(() => inVault(vault, 'crm') && inVault(vault, 'billing'), 'both are in it');
    expect(vault.servers()).toHaveLength(1);
    several.child.kill('SIGTERM');
    expect((await several.done).code).toBe(0);
    const odd = join(own.folder, 'odd');
    mkdirSync(odd);
    const right = { cipher: vault.cipher, mount: vault.mount, key: { file: vault.keyFile } };
    for (const [said, words] of [
      [{ vault: { ...right, cipher: 'relative' } }, /vault\.cipher: is no absolute path/],
      [{ vault: { ...right, sshfs: 'host:/x' } }, /names either cipher/],
      [{ vault: { ...right, key: 'secret' } }, /vault\.key: says where the key is/],
      [{ vault: { ...right, cipher: undefined, sshfs: '-oProxyCommand=x:/y' } }, /no folder on a host/],
      [{ vault: right, heartbeat: vault.at('nodes/crm/heartbeat.json') }, /heartbeat: lies in the vault/],
      [{ vault: right, spool: vault.at('nodes/crm') }, /spool: lies in the vault/],
    ] as const) {
      writeFileSync(join(odd, 'node.yaml'), JSON.stringify(said));
      const { code, stderr } = await own.run(['node', 'run'], { env: { HAUKI_NODE_HOME: odd } });
      expect([code, stderr]).toEqual([64, expect.stringMatching(words)]);
    }
    expect([vault.isMounted(), existsSync(vault.at('nodes'))]).toEqual([false, false]);
  });
});
