import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { ok } from '../../src/base/result.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { gocryptfsLayer, initVault } from '../../src/vault/gocryptfs.ts';
import type { LayerPlan } from '../../src/vault/layer.ts';
import { mountAt, type Pulse, pulseOf } from '../../src/vault/mounted.ts';
import { sshfsLayer } from '../../src/vault/sshfs.ts';
import { SupervisedVault } from '../../src/vault/supervising.ts';
import { detach } from '../../src/vault/unmounting.ts';
import { argvOf, serversOf } from '../e2e/vaults.ts';
import { needs } from '../needs.ts';
import { startSshd } from '../reach/sshd.ts';
import { until } from '../until.ts';

/* The watch over a mount, with a clock that is in a hurry. */

needs('gocryptfs').describe('a supervised vault', () => {
  /** Every time is a hundredth of what it should be. */
  const hasty: Clock = {
    now: Date.now,
    mono: () => performance.now(),
    after: (ms, run) => {
      const timer = setTimeout(run, ms / 100);
      return () => clearTimeout(timer);
    },
    soon: (run) => void setImmediate(run),
  };

  async function supervised(
    prepare: (mount: string) => Promise<void> = () => Promise.resolve(),
    pulse: (point: string, withinMs: number) => Promise<Pulse> = (point) => pulseOf(point, 500),
    logAt = 'log',
    below?: (cipher: string, point: string) => LayerPlan,
  ) {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hauki-vault-')));
    const [cipher, mount, far] = [join(folder, 'cipher'), join(folder, 'mnt'), join(folder, 'far')];
    const made = await initVault(cipher, 'key');
    if (!made.ok) throw new Error(made.error.message);
    const said: string[] = [];
    const note = (fields: Readonly<Record<string, unknown>>, message: string) =>
      void said.push(`${message} ${JSON.stringify(fields)}`);
    const vault = new SupervisedVault({
      layers: [
        ...(below === undefined ? [] : [below(cipher, far)]),
        gocryptfsLayer({
          cipher: below === undefined ? cipher : far,
          point: mount,
          key: () => ok('key'),
          log: join(folder, logAt),
        }),
      ],
      prepare,
      clock: hasty,
      random: () => 0.5,
      log: { info: note, warn: note, error: note },
      pulse,
    });
    onTestFinished(async () => {
      await vault.stop({ force: true });
      for (const pid of serversOf(folder)) process.kill(pid, 'SIGKILL');
      for (const point of [mount, far]) await detach(point);
      rmSync(folder, { recursive: true });
    });
    return { folder, mount, cipher, vault, said };
  }

  test('that does not answer is not ready, then ended and mounted again', { timeout: 30_000 }, async () => {
    const { vault, mount, said } = await supervised();
    let times = 0;
    vault.onReady(() => (times += 1));
    expect(vault.ready).toBe(false);
    expect(await vault.start()).toEqual({ ok: true, value: undefined });
    expect([vault.ready, vault.state, times]).toEqual([true, 'mounted', 1]);
    const [server = Number.NaN] = serversOf(mount);
    process.kill(server, 'SIGSTOP');
    await until(() => vault.state === 'hanging' && !vault.ready, 'it is seen to hang');
    await until(() => vault.ready && vault.remounts === 1, 'it is mounted again');
    expect(said.join('\n')).toContain('it does not answer');
    expect(times).toBe(2);
    expect(await vault.stop()).toMatchObject({ ok: true });
    expect([vault.state, vault.ready, serversOf(mount)]).toEqual(['unmounted', false, []]);
  });

  test('that hung for a moment is ready again without having been ended', { timeout: 30_000 }, async () => {
    let next: Pulse = 'alive';
    const { vault, mount } = await supervised(undefined, () => Promise.resolve(next));
    await vault.start();
    const before = serversOf(mount);
    next = 'hanging';
    await until(() => vault.state === 'hanging', 'it hangs', 5_000).finally(() => (next = 'alive'));
    await until(() => vault.ready, 'it is ready');
    expect([serversOf(mount), vault.remounts]).toEqual([before, 0]);
  });

  test(
    'that cannot be laid out is not ready, and nothing is written into the bare folder',
    { timeout: 30_000 },
    async () => {
      let broken = true;
      const { vault, mount } = await supervised((at) => {
        if (broken) throw new Error('no space left');
        mkdirSync(join(at, 'nodes'));
        return Promise.resolve();
      });
      expect(await vault.start()).toMatchObject({ ok: false, error: { code: 'vault_unavailable' } });
      expect([vault.ready, vault.why?.message]).toEqual([false, expect.stringContaining('no space left')]);
      broken = false;
      await until(() => vault.ready, 'it is ready');
      expect(await vault.stop()).toMatchObject({ ok: true });
      expect(existsSync(join(mount, 'nodes'))).toBe(false);
    },
  );

  test(
    'is not ready when something else lies over it, or it was unmounted by hand',
    { timeout: 30_000 },
    async (context) => {
      const { vault, mount } = await supervised();
      await vault.start();
      writeFileSync(join(mount, 'file'), '');
      if (spawnSync('mount', ['-t', 'tmpfs', 'hauki-test', mount]).status !== 0)
        context.skip('nothing can be mounted here');
      expect(vault.ready).toBe(false);
      spawnSync('umount', [mount]);
      expect(vault.ready).toBe(true);
      spawnSync('fusermount3', ['-u', mount]);
      expect(vault.ready).toBe(false);
      await until(() => vault.ready, 'it is mounted again');
      expect(existsSync(join(mount, 'file'))).toBe(true);
    },
  );

  test('that is stopped at any moment leaves nothing mounted', { timeout: 60_000 }, async () => {
    const { vault, mount } = await supervised();
    for (const ms of [0, 30, 150, 350, 500]) {
      const begun = vault.start();
      await new Promise((resolve) => setTimeout(resolve, ms));
      expect(await vault.stop()).toMatchObject({ ok: true });
      await begun;
      expect([vault.state, serversOf(mount)]).toEqual(['unmounted', []]);
    }
    await vault.start();
    const [server = Number.NaN] = serversOf(mount);
    process.kill(server, 'SIGKILL');
    expect(await vault.stop({ force: true })).toMatchObject({ ok: true });
    expect(serversOf(mount)).toEqual([]);
  });

  test('that is stopped while it is asked whether it answers is stopped', { timeout: 30_000 }, async () => {
    const answers: ((pulse: Pulse) => void)[] = [];
    const { vault } = await supervised(undefined, () => new Promise((resolve) => answers.push(resolve)));
    await vault.start();
    await until(() => answers.length > 0, 'it is asked');
    const stopped = vault.stop();
    await until(() => vault.state === 'unmounted', 'it is unmounted');
    // What `stat` says of the bare folder.
    answers[0]?.('alive');
    expect(await stopped).toMatchObject({ ok: true });
  });

  test('whose log cannot be written waits until it can; that it is mounted need not be noted', async () => {
    const { folder, vault, said } = await supervised(undefined, undefined, 'logs/log');
    writeFileSync(join(folder, 'logs'), '');
    expect(await vault.start()).toMatchObject({ ok: false, error: { code: 'vault_unavailable' } });
    rmSync(join(folder, 'logs'));
    mkdirSync(join(folder, 'logs', 'log.mounted'), { recursive: true });
    await until(() => vault.ready, 'it is mounted');
    expect(said.join('\n')).toContain('could not be noted');
    expect(await vault.stop()).toMatchObject({ ok: true });
  });

  test(
    'whose other host has taken a request and hangs is mounted again',
    { ...needs('sshfs', 'sshd', 'ssh-keygen').options, timeout: 90_000 },
    async () => {
      const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hauki-vault-')));
      // A name of its own, so that it is this test's that is stopped.
      const sftp = join(folder, 'sftp-server');
      copyFileSync('/usr/lib/openssh/sftp-server', sftp);
      const sshd = await startSshd({ lines: [`Subsystem sftp ${sftp}`] });
      onTestFinished(sshd.close);
      const servers = (): number[] =>
        readdirSync('/proc')
          .filter((name) => /^\d+$/.test(name))
          .map(Number)
          .filter((pid) => argvOf(pid)[0] === sftp);
      onTestFinished(() => {
        for (const pid of servers()) process.kill(pid, 'SIGKILL');
      });
      const { host, user, port } = sshd.destination;
      const { knownHosts, identity } = sshd.options;
      const { vault, said, mount } = await supervised(undefined, undefined, 'log', (cipher, point) =>
        sshfsLayer(
          {
            from: `${user ?? ''}@${host}:${cipher}`,
            ...{ port: port ?? 22, knownHosts: knownHosts ?? '', identity: identity ?? '' },
          },
          point,
          join(folder, 'sshfs.log'),
        ),
      );
      expect(await vault.start()).toMatchObject({ ok: true });
      for (const pid of servers()) process.kill(pid, 'SIGSTOP');
      await until(() => vault.ready && vault.remounts === 1, 'it is mounted again', 60_000);
      expect(said.join('\n')).toContain('it does not answer');
      for (const pid of servers()) process.kill(pid, 'SIGSTOP');
      await until(() => vault.state === 'hanging', 'it hangs again');
      expect(await vault.stop()).toMatchObject({ ok: true });
      expect([mountAt(mount), serversOf(mount)]).toEqual([undefined, []]);
    },
  );
});
