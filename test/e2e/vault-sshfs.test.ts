import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { needs } from '../needs.ts';
import { startSshd } from '../reach/sshd.ts';
import { until } from '../until.ts';
import { place } from './place.ts';
import { argvOf, serversOf, vaultIn } from './vaults.ts';

/* The ciphertext on another host: a real OpenSSH server on loopback, sshfs, and gocryptfs on it. */

/** The ssh of sshfs, which has no parent of its own. */
function connectionTo(port: number | undefined): number {
  const pid = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((one) => {
      const words = argvOf(one);
      return words[0] === 'ssh' && words.includes('sftp') && words.some((word) => word.endsWith(String(port)));
    });
  return pid ?? Number.NaN;
}

needs('gocryptfs', 'sshfs', 'sshd', 'ssh-keygen').describe('a vault on another host', () => {
  test('is made, mounted, checked and rotated there; what breaks on the way is noticed, and mounted again', async () => {
    const own = place();
    const sshd = await startSshd({ lines: ['Subsystem sftp internal-sftp'] });
    onTestFinished(sshd.close);
    const remote = join(own.folder, 'remote, 🦈');
    mkdirSync(remote);
    const { host, user, port } = sshd.destination;
    const { knownHosts = '', identity = '' } = sshd.options;
    const vault = await vaultIn(own, { made: false });
    const there = (from: string, hosts = knownHosts): string[] => [
      ...['--sshfs', from, '--port', String(port), '--known-hosts', hosts],
      ...['--identity', identity, '--key-file', vault.keyFile],
    ];
    const at = `${user}@${host}:${remote}`;
    const run = (verb: string, ...more: readonly string[]) =>
      own.run(['vault', verb, ...(more.length > 0 ? more : there(at))], { env: vault.env });
    const noOneKnown = join(own.folder, 'empty');
    writeFileSync(noOneKnown, '');
    for (const [words, code, reason] of [
      [there(at, noOneKnown), 75, /host key.*context_denied/],
      [there(`${at}/none`), 75, /not there.*vault_missing/],
      [there('nobody:relative'), 64, /no folder on a host/],
    ] as const) {
      const refused = await run('init', ...words);
      expect([refused.code, refused.stderr]).toEqual([code, expect.stringMatching(reason)]);
    }
    expect((await run('init')).code).toBe(0);
    expect(readdirSync(remote).toSorted()).toEqual(['gocryptfs.conf', 'gocryptfs.diriv']);

    const kept = own.start(['vault', 'mount', ...there(at), '--mount', vault.mount, '--node', 'crm'], {
      env: vault.env,
      msMax: 600_000,
    });
    await until(() => kept.stdout().includes('is mounted on'), 'it is mounted');
    // What one host replaces the other sees whole, and at once: nothing is remembered on the way.
    const here = await vaultIn(own, { made: false, name: 'on-the-host', cipher: remote });
    const beside = await here.keep();
    for (let round = 1; round <= 20; round += 1) {
      const text = `${round} ${'x'.repeat((round * 7_919) % 50_000)}`;
      const [from, to] = round % 2 === 0 ? [vault, here] : [here, vault];
      writeFileSync(from.at('nodes/crm/.new'), text);
      renameSync(from.at('nodes/crm/.new'), from.at('nodes/crm/heartbeat.json'));
      expect(readFileSync(to.at('nodes/crm/heartbeat.json'), 'utf8')).toBe(text);
    }
    beside.child.kill('SIGINT');
    await beside.done;

    const below = join(own.folder, 'node');
    for (const what of ['sshfs', 'its connection']) {
      const [sshfs = 0] = serversOf(below);
      process.kill(what === 'sshfs' ? sshfs : connectionTo(port), 'SIGKILL');
      await until(() => serversOf(below).some((pid) => pid !== sshfs) && vault.servers().length === 1, 'both are up');
      await until(() => {
        try {
          return readFileSync(vault.at('nodes/crm/heartbeat.json'), 'utf8').startsWith('20 ');
        } catch {
          return false;
        }
      }, `it is mounted again after ${what}`);
    }
    expect((await run('fsck')).code).toBe(0);
    expect((await run('rotate')).code).toBe(0);
    kept.child.kill('SIGINT');
    expect((await kept.done).code).toBe(0);
    expect([vault.isMounted(), serversOf(own.folder)]).toEqual([false, []]);
    expect(readdirSync(join(below, 'vault')).filter((name) => name.startsWith('work-'))).toEqual([]);
    expect((await run('fsck')).code).toBe(0);
  });
});
