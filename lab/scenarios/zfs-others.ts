import assert from 'node:assert/strict';

import type { Lab } from '../guest.ts';
import { Mutations } from '../mutations.ts';
import { scenario } from '../scenario.ts';
import { fingerprint, furnish } from '../tree.ts';

const CRM = '/tank/crm';

const CONFIG = `retention:
  committed: { count: 1, age: 1s }
  failed: { count: 1, age: 1s }
`;

const SANOID = `[tank]
use_template = all
recursive = yes

[template_all]
frequently = 0
hourly = 1
daily = 1
monthly = 0
yearly = 0
autosnap = yes
autoprune = yes
`;

/** As docs/zfs.md has it. */
const LEAVE_ALONE = `
[tank/.hauki]
use_template = leave_alone
recursive = yes

[template_leave_alone]
autosnap = no
autoprune = no
monitor = no
`;

export default scenario({
  about:
    'Beside sanoid, syncoid and people: hauki touches nothing of theirs, and what of theirs is in the way it names.',
  minutesMax: 12,
  async run(lab) {
    await lab.freshPool('tank/crm', 'tank/backup');
    await furnish(lab, CRM);
    await lab.put('/etc/sanoid/sanoid.conf', SANOID);
    await lab.put(`${lab.home}/config.yaml`, CONFIG);
    const later = laterOn(lab);
    const sanoid = async (): Promise<void> => {
      await later();
      await lab.run(['sanoid', '--cron', '--force-update']);
    };
    const mutations = new Mutations(lab);
    const everything = async (): Promise<string[]> =>
      (await lab.sh('zfs list -Hp -t all -o name,guid -r tank')).trim().split('\n');

    lab.step('snapshots of sanoid, and a snapshot, a hold and a clone of somebody');
    await sanoid();
    await lab.sh(`zfs snapshot tank/crm@mine; zfs hold keep tank/crm@mine; zfs clone tank/crm@mine tank/copy
      zfs bookmark tank/crm@mine tank/crm#mine`);
    assert.match(await lab.sh('zfs list -H -t snapshot -o name tank/crm'), /tank\/crm@autosnap_.*_hourly/);

    lab.step('mutations, with sanoid at work during and between them');
    await lab.controller();
    const before = await fingerprint(lab, CRM);
    const own: string[] = [];
    const begin = async (intent: string) => {
      const grant = await mutations.cleared([CRM], intent);
      own.push(grant.snapshot);
      return grant;
    };
    for (const intent of ['a first success', 'a second success']) {
      const grant = await begin(intent);
      await sanoid();
      await mutations.commit(grant);
    }
    const failure = await begin('a failure');
    await lab.sh(`cd ${CRM}; rm -r data; echo two > config`);
    await mutations.rollback(failure);
    assert.equal(await fingerprint(lab, CRM), before);

    lab.step('a replica of syncoid carries the properties, and is not taken for ours');
    await lab.run(['syncoid', '--sendoptions=p', '--no-privilege-elevation', 'tank/crm', 'tank/backup/crm']);
    const replica = failure.snapshot.replace('tank/crm', 'tank/backup/crm');
    const properties = await lab.sh(`zfs get -H -o value hauki:mutation,hauki:home '${replica}'`);
    assert.equal(properties, `${failure.mutation}\n${lab.home}\n`);
    const listed = (await mutations.kept('snapshots')).map(({ name }) => name).toSorted();
    assert.deepEqual(listed, own.toSorted());

    lab.step('retention lets go of all that is ours, and of nothing else');
    const rows = await everything();
    const isOurs = (row: string): boolean =>
      row.startsWith('tank/.hauki/') || own.some((name) => row.startsWith(`${name}\t`));
    const pruned = (await lab.api('POST', '/v1/prune', {})).body as { going: { name: string }[] };
    assert.equal(pruned.going.length, own.length + 1, JSON.stringify(pruned));
    await lab.until(async () => {
      const kept = [...(await mutations.kept('snapshots')), ...(await mutations.kept('evidence'))];
      return kept.length === 0;
    }, 'all of ours is gone');
    const left = await everything();
    assert.deepEqual(
      left,
      rows.filter((row) => !isOurs(row)),
    );
    assert.ok(left.some((row) => row.startsWith(`${replica}\t`)));

    lab.step('a request that is taken back leaves nothing, and takes nothing along');
    await lab.sh(`zfs create -o quota=10M tank/full; head -c 10100000 /dev/urandom > /tank/full/data; zpool sync tank`);
    const full = await everything();
    assert.equal((await mutations.denied([CRM, 'tank/full'], 'too large')).code, 'low_space');
    assert.deepEqual(await everything(), full);

    lab.step('a snapshot of sanoid between the freezing and a rollback stands in the way, and is named');
    const blocked = await begin('meet sanoid');
    await lab.sh(`cd ${CRM}; rm -r data; echo two > config`);
    await sanoid();
    const spoiled = await fingerprint(lab, CRM);
    const theirs = await everything();
    const { code, message } = await mutations.rollbackRefused(blocked);
    assert.equal(code, 'rollback_blocked');
    const autosnaps = (await lab.sh('zfs list -H -t snapshot -o name -s createtxg tank/crm')).trim().split('\n');
    const newer = autosnaps.slice(autosnaps.indexOf(blocked.snapshot) + 1);
    assert.ok(newer.length > 0);
    for (const name of newer) assert.ok(message.includes(name), `${name} is not named: ${message}`);
    assert.deepEqual(await everything(), theirs);
    assert.equal(await fingerprint(lab, CRM), spoiled);
    for (const name of newer) await lab.run(['zfs', 'destroy', name]);
    await mutations.resolve(blocked, 'rollback');
    assert.equal(await fingerprint(lab, CRM), before);
    const after = await everything();
    const destroyed = theirs.filter((row) => !after.includes(row)).map((row) => row.split('\t')[0]);
    assert.deepEqual(destroyed, newer);

    lab.step('what sanoid took of evidence keeps it, until it is destroyed');
    const [evidence = ''] = (await lab.sh('zfs list -H -o name -r -d 1 tank/.hauki | tail -n +2')).split('\n');
    await sanoid();
    const taken = (await lab.sh(`zfs list -H -t snapshot -o name '${evidence}' | grep @autosnap`)).trim().split('\n');
    const removed = await lab.api('DELETE', `/v1/evidence/${blocked.mutation}`);
    assert.notEqual(removed.status, 200);
    for (const name of taken) assert.ok(JSON.stringify(removed.body).includes(name), JSON.stringify(removed.body));
    for (const name of taken) await lab.run(['zfs', 'destroy', name]);
    assert.equal((await lab.api('DELETE', `/v1/evidence/${blocked.mutation}`)).status, 200);
    assert.equal(await lab.sh('zfs list -H -o name -r tank/.hauki'), 'tank/.hauki\n');

    lab.step('and it takes none of it where it is told to leave it alone');
    await lab.put('/etc/sanoid/sanoid.conf', SANOID + LEAVE_ALONE);
    const last = await begin('the last failure');
    await lab.sh(`cd ${CRM}; rm -r data`);
    await mutations.rollback(last);
    const within = (): Promise<string> => lab.sh('zfs list -H -t snapshot -o name -r tank/.hauki');
    // Sanoid's own of before, and the evidence of the last failure.
    const inside = await within();
    await sanoid();
    assert.match(await lab.sh('zfs list -H -t snapshot -o name -s createtxg tank/crm | tail -n 1'), /@autosnap_/);
    assert.equal(await within(), inside);
    assert.equal((await lab.api('DELETE', `/v1/evidence/${last.mutation}`)).status, 200);
  },
});

/** Sets the guest's clock on, by two hours each time, so that sanoid finds something to do; in the end it is right again. */
function laterOn(lab: Lab): () => Promise<void> {
  const HOURS = 2;
  let ahead = 0;
  lab.after(async () => void (await lab.run(['date', '-s', `-${ahead} hours`])));
  return async () => {
    ahead += HOURS;
    await lab.run(['date', '-s', `+${HOURS} hours`]);
  };
}
