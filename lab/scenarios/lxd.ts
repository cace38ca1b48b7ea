import assert from 'node:assert/strict';

import { startLxd } from '../lxd.ts';
import { scenario } from '../scenario.ts';

export default scenario({
  about: 'LXD on ZFS: a system container with a dataset of the host in it.',
  minutesMax: 8,
  async run(lab) {
    await lab.freshPool('tank/crm');
    const lxd = await startLxd(lab);
    await lxd.launch('hauki-crm');

    lab.step('a dataset of the host as a disk device');
    await lab.put('/tank/crm/from the host', 'hello\n');
    await lxd.mount('hauki-crm', 'crm', '/tank/crm', '/srv/crm');
    assert.equal(await lxd.exec('hauki-crm', ['cat', '/srv/crm/from the host']), 'hello\n');
    assert.equal(await lxd.exec('hauki-crm', ['systemctl', 'is-system-running']), 'running\n');

    lab.step('a snapshot of the container, as LXD makes it');
    await lxd.lxc('snapshot', 'hauki-crm', 'before');
    const snapshots = await lab.sh('zfs list -H -t snapshot -o name -r tank/lxd/containers/hauki-crm');
    assert.equal(snapshots.trim(), 'tank/lxd/containers/hauki-crm@snapshot-before');
  },
});
