import assert from 'node:assert/strict';

import { startLxd } from '../lxd.ts';
import { scenario } from '../scenario.ts';

const STATUS = ['vault', 'status', '--mount', '/srv/vault', '--json'];

export default scenario({
  about:
    'A vault in an unprivileged container, its ciphertext a dataset of the host: killed, snapshotted, rolled back.',
  minutesMax: 20,
  async run(lab) {
    await lab.freshPool('tank/vault');
    const lxd = await startLxd(lab);
    await lxd.launch('hauki-crm');

    lab.step('hauki and the ciphertext in the container');
    await lab.sh('mkdir -p /srv/bin && cp -L /run/cargo/.lab/node /srv/bin/ && chmod 755 /srv /srv/bin /srv/bin/node');
    await lxd.mount('hauki-crm', 'node', '/srv/bin', '/srv/bin');
    await lxd.mount('hauki-crm', 'hauki', '/opt/hauki/dist', '/srv/hauki');
    await lxd.mount('hauki-crm', 'cipher', '/tank/vault', '/srv/cipher');
    // The container's root is nobody special outside.
    const uid = (await lxd.exec('hauki-crm', ['cat', '/proc/self/uid_map'])).trim().split(/\s+/)[1] ?? '';
    assert.notEqual(uid, '0', 'the container is unprivileged');
    await lab.run(['chown', `${uid}:${uid}`, '/tank/vault']);
    const hauki = (...args: readonly string[]) =>
      lxd.exec('hauki-crm', ['/srv/bin/node', '/srv/hauki/hauki.cjs', ...args]);
    const isUp = async (): Promise<boolean> => {
      const asked = ['lxc', 'exec', 'hauki-crm', '-T', '--', '/srv/bin/node', '/srv/hauki/hauki.cjs', ...STATUS];
      return (await lab.run(asked, { okCodes: 'any' })).code === 0;
    };

    lab.step('init, and mount under systemd with the key as a credential');
    await hauki('vault', 'init', '--cipher', '/srv/cipher', '--key-file', '/root/vault.key');
    const unit = [
      'systemd-run',
      '--unit',
      'vault',
      '-p',
      'KillMode=mixed',
      '-p',
      'LoadCredential=vault:/root/vault.key',
    ];
    const mount = ['vault', 'mount', '--cipher', '/srv/cipher', '--credential', 'vault', '--mount', '/srv/vault'];
    await lxd.exec('hauki-crm', [...unit, '/srv/bin/node', '/srv/hauki/hauki.cjs', ...mount, '--node', 'crm']);
    await lab.until(isUp, 'it is mounted', { secondsMax: 120 });
    await lxd.exec('hauki-crm', ['sh', '-c', 'echo secret > /srv/vault/nodes/crm/inbox/third_strike.task']);
    assert.equal(await lab.sh('grep -rlE "secret|third_strike" /tank/vault || echo none'), 'none\n');

    lab.step('gocryptfs is killed');
    await lxd.exec('hauki-crm', ['pkill', '-KILL', 'gocryptfs']);
    const cat = ['cat', '/srv/vault/nodes/crm/inbox/third_strike.task'];
    await lab.until(
      async () =>
        (await lab.run(['lxc', 'exec', 'hauki-crm', '-T', '--', ...cat], { okCodes: 'any' })).stdout === 'secret\n',
      'it is mounted again',
      { secondsMax: 120 },
    );

    lab.step('a snapshot of the ciphertext comes back');
    await lab.sh('zfs snapshot tank/vault@before');
    await lxd.exec('hauki-crm', ['sh', '-c', 'rm /srv/vault/nodes/crm/inbox/third_strike.task']);
    await lxd.exec('hauki-crm', ['systemctl', 'stop', 'vault']);
    await lab.sh('zfs rollback tank/vault@before');
    await hauki('vault', 'fsck', '--cipher', '/srv/cipher', '--key-file', '/root/vault.key');
    await lxd.exec('hauki-crm', [...unit, '/srv/bin/node', '/srv/hauki/hauki.cjs', ...mount]);
    await lab.until(isUp, 'it is mounted', { secondsMax: 120 });
    assert.equal(await lxd.exec('hauki-crm', cat), 'secret\n');
    await lxd.exec('hauki-crm', ['systemctl', 'stop', 'vault']);
  },
});
