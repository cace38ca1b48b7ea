import assert from 'node:assert/strict';

import type { MutationList } from '../../src/wire/http.ts';
import { Mutations } from '../mutations.ts';
import { scenario } from '../scenario.ts';

const UNIT = 'hauki-controller.service';
const NODE_UNIT = 'shadow-writer.service';
/** The package's, not that of the checkout, which is on the PATH. */
const HAUKI = '/usr/bin/hauki';
const HOME = '/var/lib/hauki';
const OPTIONS = 'HAUKI_OPTIONS="--port 0"\n';

export default scenario({
  about:
    'The Debian package: installed, it guards ZFS; upgraded under an open mutation, removed and purged, it leaves the ledger.',
  minutesMax: 20,
  async run(lab) {
    await lab.freshPool('tank/crm');
    await lab.put('/tank/crm/state', 'one\n');
    lab.after(async () => {
      await lab.run(['dpkg', '--purge', 'hauki'], { okCodes: 'any' });
      // With it goes the evidence that is mounted in there, read-only.
      await lab.sh(
        `zpool destroy -f tank; rm -rf ${HOME} /etc/systemd/system/multi-user.target.wants/${UNIT}; systemctl daemon-reload`,
      );
    });
    // The package has its controller where root has it; whatever asks it here looks into this scenario's own.
    await lab.sh(`rm -rf ${HOME}; ln -s ${HOME} ${lab.home}`);
    const show = async (property: string, unit = UNIT): Promise<string> =>
      (await lab.run(['systemctl', 'show', '--value', '-p', property, unit])).stdout.trim();
    const there = async (path: string): Promise<boolean> =>
      (await lab.run(['test', '-e', path], { okCodes: [0, 1] })).code === 0;
    const mutations = new Mutations(lab);
    // The lab has files of that name, too.
    const named = "find /etc /usr -xdev -name '*hauki*' | sort";
    const before = await lab.sh(named);

    lab.step('installed: nothing is enabled, nothing runs');
    const deb = (await lab.sh('ls /opt/hauki/exe/hauki_*_amd64.deb')).trim();
    await lab.run(['dpkg', '--install', deb]);
    for (const unit of [UNIT, NODE_UNIT]) {
      assert.equal(await show('LoadState', unit), 'loaded');
      assert.equal(await show('UnitFileState', unit), 'disabled');
      assert.equal(await show('ActiveState', unit), 'inactive');
    }
    assert.equal(await there(HOME), false);

    lab.step('without Node it is the executable, which has no storage');
    const nodeless = { env: { PATH: '/usr/bin:/bin' } };
    assert.match((await lab.run([HAUKI, '--version'], nodeless)).stdout, /^\d+\.\d+\.\d+/);
    assert.match((await lab.run([HAUKI, 'doctor'], { ...nodeless, okCodes: [75] })).stderr, /native_missing/);

    lab.step('with Node it is a controller, when somebody says so, with the options of its file');
    await lab.put('/etc/default/hauki-controller', OPTIONS);
    await lab.run(['systemctl', 'enable', '--now', UNIT]);
    assert.equal(await show('ActiveState'), 'active');
    assert.match(await show('ExecStart'), /path=\/usr\/bin\/hauki /);
    assert.match(
      await lab.sh(`tr '\\0' ' ' </proc/${await show('MainPID')}/cmdline`),
      /hauki\.cjs controller --port 0/,
    );

    lab.step('it guards: what works stays, what fails is undone');
    const guard = [HAUKI, 'guard', '--dataset', 'tank/crm', '--intent', 'deploy', '--', 'sh', '-c'];
    const worked = await lab.run([...guard, 'echo two > /tank/crm/state']);
    assert.match(worked.stderr, /Lock secured\. ZFS Snapshot 'tank\/crm@PRE_hauki-lab_deploy_/);
    const failed = await lab.run([...guard, 'echo three > /tank/crm/state; exit 3'], { okCodes: [3] });
    assert.match(failed.stderr, /rolled back/);
    assert.equal(String(await lab.get('/tank/crm/state')), 'two\n');

    lab.step('upgraded while a mutation is open: it runs the new one, and the mutation is still open');
    const open = await mutations.cleared(['tank/crm'], 'in the middle', { ttl: '1h' });
    const pid = await show('MainPID');
    const newer = `${lab.folder}/newer.deb`;
    await lab.sh(`cd ${lab.folder}; dpkg-deb -R ${deb} newer; sed -i 's/^Version: .*/&.1/' newer/DEBIAN/control
      dpkg-deb --root-owner-group -Znone --build newer ${newer}; rm -r newer`);
    await lab.run(['dpkg', '--install', newer]);
    assert.match(await lab.sh("dpkg-query -W -f '${Version}' hauki"), /-1\.1$/);
    assert.notEqual(await show('MainPID'), pid);
    assert.equal(await show('ActiveState'), 'active');
    assert.equal(await show('UnitFileState', NODE_UNIT), 'disabled');
    assert.equal(String(await lab.get('/etc/default/hauki-controller')), OPTIONS);
    assert.equal((await mutations.show(open.mutation)).stage, 'cleared');
    assert.equal((await mutations.commit(open)).stage, 'committed');

    await lab.run([HAUKI, 'audit', 'verify']);

    lab.step('removed: it is stopped and gone, its settings and data stay');
    const snapshots = await lab.sh('zfs list -H -t snapshot -o name -r tank/crm');
    await lab.run(['dpkg', '--remove', 'hauki']);
    assert.equal(await show('ActiveState'), 'inactive');
    assert.equal(await there('/usr/lib/hauki'), false);
    assert.equal(await there('/etc/default/hauki-controller'), true);

    lab.step('purged: it says what it leaves');
    const purged = await lab.run(['dpkg', '--purge', 'hauki']);
    assert.match(purged.stderr, /hauki: \/var\/lib\/hauki stays/);
    assert.equal(await lab.sh(named), before);
    assert.equal(await there(`/etc/systemd/system/multi-user.target.wants/${UNIT}`), false);
    assert.equal(await lab.sh('zfs list -H -t snapshot -o name -r tank/crm'), snapshots);

    lab.step('installed once more: it goes on from the ledger that was left');
    await lab.run(['dpkg', '--install', deb]);
    assert.equal(await show('UnitFileState'), 'disabled');
    await lab.put('/etc/default/hauki-controller', OPTIONS);
    await lab.run(['systemctl', 'start', UNIT]);
    const { body } = await lab.api('GET', '/v1/mutations');
    assert.deepEqual(
      (body as MutationList).mutations.map(({ intent, stage }) => [intent, stage]),
      [
        ['in the middle', 'committed'],
        ['deploy', 'rolled_back'],
        ['deploy', 'committed'],
      ],
    );
    await lab.run(['systemctl', 'stop', UNIT]);
  },
});
