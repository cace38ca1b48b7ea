import assert from 'node:assert/strict';

import { LXD_POOL, startLxd } from '../lxd.ts';
import { Mutations } from '../mutations.ts';
import { scenario } from '../scenario.ts';

/** As LXD calls the container's own dataset. */
const CONTAINER = `${LXD_POOL}/containers/hauki-crm`;

export default scenario({
  about:
    'LXD on ZFS: what a container changes in a dataset of the host is undone under it, and LXD’s own snapshots stay.',
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
    const snapshots = await lab.sh(`zfs list -H -t snapshot -o name -r ${CONTAINER}`);
    assert.equal(snapshots.trim(), `${CONTAINER}@snapshot-before`);

    lab.step('a change made inside the container is undone from the host, and the container sees it at once');
    // The container's root is nobody special outside.
    await lab.run(['chmod', '-R', 'a+rwX', '/tank/crm']);
    await lab.controller();
    const mutations = new Mutations(lab);
    const shell = ['sh', '-c', 'echo failed > "/srv/crm/from the host"; mkdir /srv/crm/new; echo > /srv/crm/new/file'];
    const cleared = await mutations.cleared(['tank/crm'], 'surgery in the container');
    await lxd.exec('hauki-crm', shell);
    await mutations.rollback(cleared);
    assert.equal(await lxd.exec('hauki-crm', ['cat', '/srv/crm/from the host']), 'hello\n');
    assert.equal(await lxd.exec('hauki-crm', ['ls', '/srv/crm']), 'from the host\n');
    assert.equal(String(await lab.get(`${await mutations.evidencePath(cleared)}/from the host`)), 'failed\n');

    lab.step('the container’s own dataset is guarded too, and LXD’s snapshot stays');
    const whole = await mutations.cleared([CONTAINER], 'an upgrade inside');
    assert.ok(whole.snapshot.startsWith(`${CONTAINER}@PRE_`), whole.snapshot);
    await lxd.lxc('snapshot', 'hauki-crm', 'meanwhile');
    const refused = await mutations.rollbackRefused(whole);
    assert.match(refused.message, /hauki-crm@snapshot-meanwhile/);
    await lxd.lxc('delete', 'hauki-crm/meanwhile');
    await mutations.resolve(whole, 'rollback');
    assert.match(await lab.sh(`zfs list -H -t snapshot -o name -r ${CONTAINER}`), /@snapshot-before\n/);
  },
});
