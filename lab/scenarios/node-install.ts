import assert from 'node:assert/strict';

import { startLxd } from '../lxd.ts';
import { scenario } from '../scenario.ts';

const UNIT = 'shadow-writer.service';
const PROGRAM = '/usr/local/lib/hauki/hauki';
const PORT = 7717;
/** What `systemd-analyze security` may say of it at most; why it is not less stands in docs/services.md. */
const EXPOSURE_MAX = 6;

interface Presence {
  readonly liveness: string;
  readonly boot: string;
}

export default scenario({
  about: 'A node is brought into a container that has no Node: twice, upgraded, rebooted, and taken away again.',
  minutesMax: 30,
  async run(lab) {
    await lab.freshPool();
    const lxd = await startLxd(lab);
    await lxd.launch('hauki-crm');
    assert.match(await lxd.exec('hauki-crm', ['sh', '-c', 'command -v node || echo none']), /none/);

    lab.step('a controller with a mesh, which the container reaches by a proxy device');
    await lab.hauki(['mesh', 'init', '--name', '127.0.0.1']);
    await lab.controller({ args: ['--port', '0', '--listen', `127.0.0.1:${PORT}`] });
    const proxy = [`listen=tcp:127.0.0.1:${PORT}`, `connect=tcp:127.0.0.1:${PORT}`, 'bind=instance'];
    await lxd.lxc('config', 'device', 'add', 'hauki-crm', 'hauki', 'proxy', ...proxy);

    const via = ['--via', 'lxd:hauki-crm'];
    const within = ['--within', '10m'];
    const presence = async (): Promise<Presence | undefined> =>
      ((await lab.api('GET', '/v1/nodes/crm')).body as { presence?: Presence }).presence;
    const there = (...argv: readonly string[]): Promise<string> => lxd.exec('hauki-crm', argv);
    const show = async (property: string): Promise<string> =>
      (await there('systemctl', 'show', '--value', '-p', property, UNIT)).trim();

    lab.step('installed, and heard');
    const installed = await lab.hauki(['node', 'install', 'crm', ...via, ...within, '--datasets', 'tank/crm']);
    assert.match(installed.stdout, /^installed +node crm/);
    assert.equal((await presence())?.liveness, 'live');
    const linked = async (): Promise<boolean> =>
      (await show('StatusText')) === `crm: running, linked to 127.0.0.1:${PORT}`;
    await lab.until(linked, 'its status line says that it is linked');
    assert.match(installed.stderr, /bring .*\n.*invite crm.*\n.*write .*\n.*enable .*\n.*start /);
    const sum = await lab.sh('sha256sum </opt/hauki/exe/hauki-linux-x64');
    assert.equal((await there('sha256sum', PROGRAM)).split(' ')[0], sum.split(' ')[0]);

    lab.step('again: nothing changes');
    const boot = (await presence())?.boot;
    const again = await lab.hauki(['node', 'install', 'crm', ...via, '--datasets', 'tank/crm']);
    assert.match(again.stdout, /^unchanged /);
    assert.equal((await presence())?.boot, boot);

    lab.step('how exposed it is');
    const exposure = await there('sh', '-c', `systemd-analyze security --no-pager ${UNIT} | tail -n 1`);
    assert.ok(Number(/: (\d+\.\d)/.exec(exposure)?.[1] ?? '10') <= EXPOSURE_MAX, exposure);

    lab.step('an upgrade that does not work is taken back');
    // It says its version, as a program that fits does; and then it is no node.
    const broken = '#!/bin/sh\nif [ "$1" = --version ]; then echo 9; else exit 1; fi\n';
    await lab.put(`${lab.folder}/broken`, broken, '755');
    const refused = await lab.hauki(
      ['node', 'upgrade', 'crm', ...via, ...within, '--executable', `${lab.folder}/broken`],
      { okCodes: [70] },
    );
    assert.match(refused.stderr, /taking back/);
    assert.equal((await there('sha256sum', PROGRAM)).split(' ')[0], sum.split(' ')[0]);
    const isLive = async (): Promise<boolean> =>
      (await presence())?.liveness === 'live' && (await show('SubState')) === 'running';
    await lab.until(isLive, 'the old one is heard', { secondsMax: 240 });

    lab.step('an upgrade that works: another program, another run');
    // The same with a few bytes behind it is another one.
    await lab.sh(
      'cp /opt/hauki/exe/hauki-linux-x64 "$0/newer"; printf newer >>"$0/newer"'.replaceAll('$0', lab.folder),
    );
    const before = (await presence())?.boot;
    const upgraded = await lab.hauki([
      'node',
      'upgrade',
      'crm',
      ...via,
      ...within,
      '--executable',
      `${lab.folder}/newer`,
    ]);
    assert.match(upgraded.stdout, /^upgraded /);
    assert.notEqual((await presence())?.boot, before);
    assert.equal(await there('ls', '/usr/local/lib/hauki'), 'hauki\n');

    lab.step('the container is rebooted: it comes back');
    const old = (await presence())?.boot;
    await lxd.restart('hauki-crm');
    await lab.until(
      async () => (await presence())?.boot !== old && (await presence())?.liveness === 'live',
      'it is heard again',
      { secondsMax: 300 },
    );

    lab.step('taken away');
    const gone = await lab.hauki(['node', 'uninstall', 'crm', ...via]);
    assert.match(gone.stdout, /stays in \/var\/lib\/hauki-node/);
    assert.equal(await show('LoadState'), 'not-found');
    assert.equal(await there('sh', '-c', 'ls -d /usr/local/lib/hauki 2>/dev/null || echo none'), 'none\n');
    assert.equal(((await lab.api('GET', '/v1/nodes/crm')).body as { state: string }).state, 'revoked');
    assert.match((await lab.hauki(['node', 'uninstall', 'crm', ...via])).stdout, /^unchanged /);

    lab.step('and brought again, over what it left');
    await lab.hauki(['node', 'install', 'crm', ...via, ...within]);
    assert.equal((await presence())?.liveness, 'live');
  },
});
