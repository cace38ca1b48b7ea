import assert from 'node:assert/strict';

import { scenario } from '../scenario.ts';
import { NODE, ROOT, setTheStage } from '../story.ts';

/** Changes the state, says that it is at it, and takes its time. */
const LONG = `#!/bin/sh
set -e
echo half > ${ROOT}/app/version
rm '${ROOT}/app/a file'
touch /run/under-way
sleep 600
`;

export default scenario({
  about:
    'The story interrupted: a container that is rebooted, a vault that dies, a power cut. No task is lost, or runs twice.',
  minutesMax: 45,
  async run(lab) {
    const story = await setTheStage(lab);
    const { lxd } = story;
    const there = async (path: string): Promise<boolean> =>
      (await lab.run(['lxc', 'exec', NODE, '-T', '--', 'test', '-e', path], { okCodes: 'any' })).code === 0;
    const underWay = (): Promise<unknown> =>
      lab.until(() => there('/run/under-way'), 'the task is under way', { secondsMax: 120 });

    lab.step('the vault’s process is killed under a running task: none is lost, none runs twice');
    for (const name of ['v1.task', 'v2.task', 'v3.task'])
      await story.dropSigned(name, `#!/bin/sh\necho ${name} >> ${ROOT}/app/ran\ntouch /run/under-way\nsleep 5\n`);
    await underWay();
    await lxd.exec(NODE, ['pkill', '-KILL', '-x', 'gocryptfs']);
    for (const name of ['v1.task', 'v2.task', 'v3.task']) assert.equal(await story.end(name), 'done');
    assert.equal(String(await lab.get('/tank/meshfs/state/crm/app/ran')), 'v1.task\nv2.task\nv3.task\n');
    const state = await lxd.exec(NODE, ['/usr/local/lib/hauki/hauki', 'vault', 'status', '--json']);
    assert.match(state, /"state":"alive"/);
    await lxd.exec(NODE, ['rm', `${ROOT}/app/ran`, '/run/under-way']);

    lab.step('a snapshot of the ciphertext comes back, and opens');
    await lab.sh('zfs snapshot tank/meshfs/cipher@before');
    await lxd.exec(NODE, ['rm', `/srv/vault/nodes/${NODE}/done/v1.task`]);
    await story.closeVault();
    await lxd.exec(NODE, ['systemctl', 'stop', 'shadow-writer.service']);
    await lab.sh('zfs rollback tank/meshfs/cipher@before');
    const fsck = ['vault', 'fsck', '--cipher', '/srv/cipher', '--key-file', '/etc/hauki/vault.key'];
    await lxd.exec(NODE, ['/usr/local/lib/hauki/hauki', ...fsck]);
    await lxd.exec(NODE, ['systemctl', 'start', 'shadow-writer.service']);
    await story.openVault();
    assert.match(await lxd.exec(NODE, ['cat', `/srv/vault/nodes/${NODE}/done/v1.task`]), /echo v1/);
    assert.equal(await lab.sh('grep -rlE "v1.task|echo v1" /tank/meshfs/cipher || echo none'), 'none\n');

    lab.step('the container is rebooted in the middle of a task: undone, interrupted, not run again');
    const before = await story.fingerprint();
    await story.dropSigned('reboot.task', LONG);
    await underWay();
    await lxd.restart(NODE, '--force');
    assert.equal(await story.end('reboot.task'), 'failed');
    assert.match(JSON.stringify(await story.result('reboot.task')), /task_interrupted/);
    assert.equal(await story.fingerprint(), before);

    lab.step('the power fails in the middle of a task');
    await story.dropSigned('power.task', LONG);
    await underWay();
    await lab.powerCut();
    await lab.boot();
    // LXD starts again what ran before, once somebody asks for it.
    await lab.sh(`lxc start ${NODE} 2>/dev/null || :`);
    const isActive = ['lxc', 'exec', NODE, '-T', '--', 'systemctl', 'is-active', 'shadow-writer.service'];
    await lab.until(
      async () => (await lab.run(isActive, { okCodes: 'any' })).stdout.trim() === 'active',
      'the node runs again',
      { secondsMax: 300 },
    );
    await story.openVault();
    assert.equal(await story.end('power.task'), 'failed');
    assert.match(JSON.stringify(await story.result('power.task')), /task_interrupted/);
    assert.equal(await story.fingerprint(), before);
    await lab.hauki(['audit', 'verify']);
  },
});
