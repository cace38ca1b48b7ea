import assert from 'node:assert/strict';

import { Mutations } from '../mutations.ts';
import { scenario } from '../scenario.ts';
import { fingerprint, furnish } from '../tree.ts';

const CRM = '/tank/crm';

export default scenario({
  about:
    'Going back on ZFS: under open files and writers, past what stands in the way, and never over what others took.',
  minutesMax: 12,
  async run(lab) {
    await lab.freshPool('tank/crm');
    await furnish(lab, CRM);
    await lab.controller();
    const mutations = new Mutations(lab);
    const before = await fingerprint(lab, CRM);
    const isBack = async (): Promise<void> => assert.equal(await fingerprint(lab, CRM), before);
    const spoil = (): Promise<string> =>
      lab.sh(`cd ${CRM}; echo two > config; rm -r data; chmod 700 app; echo new > wreck`);
    const clear = (intent: string) => mutations.cleared([CRM], intent);
    const shows = (text: string, part: string): void =>
      assert.ok(text.includes(part), `${JSON.stringify(part)} is not in: ${text}`);

    lab.step('the plan names what has files open');
    const reader = lab.start([
      'bash',
      '-c',
      `cd ${CRM}/app; exec 3<../config; while sleep 0.2; do echo "$(cat /dev/fd/3) $(cat deep/1) $(ls -d ../data)"; done`,
    ]);
    const reads = (line: string): Promise<unknown> => {
      const from = reader.stdout().length;
      return lab.until(async () => reader.stdout().slice(from).split('\n').includes(line), `it reads: ${line}`);
    };
    await reads('one 1 ../data');
    const open = await clear('spoil it');
    await spoil();
    await lab.sh(`echo 2 > ${CRM}/app/deep/1`);
    await reads('two 2 ');
    const dry = (await lab.hauki(['rollback', open.mutation, '--dry-run'])).stdout;
    for (const part of ['config', 'bash', `${CRM}/app`, 'wreck', open.snapshot]) shows(dry, part);
    assert.equal((await mutations.show(open.mutation)).stage, 'cleared');
    assert.equal(String(await lab.get(`${CRM}/wreck`)), 'new\n');

    lab.step('what has files open, or stands in a directory, goes on with the old state');
    await mutations.rollback(open);
    await reads('one 1 ../data');
    await isBack();
    await reader.kill('SIGKILL');

    lab.step("the holder's processes are stopped first");
    const busy = await clear('write in a loop');
    const loop = `echo up; while :; do echo line >> ${CRM}/log; rm -f ${CRM}/log.old; cp ${CRM}/log ${CRM}/log.old; done`;
    const holder = lab.start(['bash', '-c', loop], { env: { HAUKI_MUTATION: busy.mutation } });
    await lab.until(async () => holder.stdout().includes('up'), 'it writes');
    await mutations.rollback(busy);
    // Of SIGTERM; or, where the machine is so busy that it does not get there in time, of SIGKILL.
    assert.ok([143, 137].includes((await holder.done).code));
    await isBack();

    lab.step('a writer that is nobody of ours: told, or undone, but never passed over');
    const writer = lab.start(['bash', '-c', `echo up; while :; do echo line >> ${CRM}/foreign; done`]);
    await lab.until(async () => writer.stdout().includes('up'), 'it writes');
    const raced = await clear('beside a writer');
    await spoil();
    await lab.api('POST', `/v1/mutations/${raced.mutation}/rollback`, { fence: raced.fence });
    await writer.kill('SIGKILL');
    await writer.done;
    const became = await mutations.show(raced.mutation);
    if (became.stage !== 'rolled_back') {
      assert.equal(became.stage, 'quarantined');
      assert.equal(became.reason?.code, 'rollback_unverified');
      shows(became.reason.message, 'foreign');
      await mutations.resolve(raced, 'rollback');
      assert.equal(await lab.sh(`zfs diff ${raced.snapshot} tank/crm`), '');
    }
    await lab.run(['rm', `${CRM}/foreign`]);
    assert.equal((await fingerprint(lab, CRM)).split('\n').slice(1).join(), before.split('\n').slice(1).join());
    // The root's own time, which the writer has changed for good.
    await lab.sh(`touch -d '2026-01-01' ${CRM}`);
    const base = await fingerprint(lab, CRM);
    const isBase = async (): Promise<void> => assert.equal(await fingerprint(lab, CRM), base);

    lab.step("somebody's newer snapshot blocks, with its clone and hold, and is named");
    const blocked = await clear('meet a snapshot');
    await spoil();
    const spoiled = await fingerprint(lab, CRM);
    await lab.sh('zfs snapshot tank/crm@mine; zfs clone tank/crm@mine tank/mine; zfs hold keep tank/crm@mine');
    const refused = await mutations.rollbackRefused(blocked);
    assert.equal(refused.code, 'rollback_blocked');
    for (const part of ['tank/crm@mine', 'tank/mine', 'keep', 'resolve']) shows(JSON.stringify(refused), part);
    assert.equal(await fingerprint(lab, CRM), spoiled);
    assert.doesNotMatch(await lab.sh('zfs list -H -o name -t all -r tank/crm'), /FAIL/);
    assert.equal((await mutations.denied([CRM], 'too early', { wait: '1s' })).code, 'lock_timeout');
    const plan = (await lab.hauki(['rollback', blocked.mutation, '--dry-run'], { okCodes: [75] })).stdout;
    for (const part of ['tank/crm@mine', 'tank/mine', 'keep']) shows(plan, part);
    await lab.sh('zfs release keep tank/crm@mine; zfs destroy tank/mine; zfs destroy tank/crm@mine');
    await lab.hauki(['resolve', blocked.mutation, '--rollback']);
    await isBase();

    lab.step("somebody's newer bookmark blocks as well; one of the snapshot itself does not");
    const marked = await clear('meet a bookmark');
    await spoil();
    await lab.sh('zfs snapshot tank/crm@now; zfs bookmark tank/crm@now tank/crm#now; zfs destroy tank/crm@now');
    await lab.run(['zfs', 'bookmark', marked.snapshot, 'tank/crm#before']);
    const { code, message } = await mutations.rollbackRefused(marked);
    assert.equal(code, 'rollback_blocked');
    shows(message, 'tank/crm#now');
    assert.doesNotMatch(message, /#before/);
    await lab.run(['zfs', 'destroy', 'tank/crm#now']);
    await mutations.resolve(marked, 'rollback');
    await isBase();
    assert.equal(await lab.sh('zfs list -H -t bookmark -o name -r tank/crm'), 'tank/crm#before\n');

    lab.step('a mount whose directory is newer than the snapshot blocks by its name');
    const mounted = await clear('mount inside');
    await lab.sh(`mkdir ${CRM}/inside; mount -t tmpfs none ${CRM}/inside; echo there > ${CRM}/inside/file`);
    const hindered = await mutations.rollbackRefused(mounted);
    assert.equal(hindered.code, 'rollback_blocked');
    shows(hindered.message, `${CRM}/inside`);
    assert.equal(String(await lab.get(`${CRM}/inside/file`)), 'there\n');
    await lab.run(['umount', `${CRM}/inside`]);
    await mutations.resolve(mounted, 'rollback');
    await isBase();

    lab.step('an older one is undone, and the newer snapshots of those undone before stay');
    const first = await clear('the one that works');
    await lab.sh(`cd ${CRM}; rm -r app/deep; echo works > config; mkdir app/deep; setfattr -x user.origin config`);
    await mutations.commit(first);
    const committed = await fingerprint(lab, CRM);
    const later = [];
    for (const intent of ['a first failure', 'a second failure']) {
      const failure = await clear(intent);
      await spoil();
      await mutations.rollback(failure);
      later.push(failure);
    }
    assert.equal(await fingerprint(lab, CRM), committed);
    const snapshots = (): Promise<string> => lab.sh('zfs list -Hp -t snapshot -o name,guid,createtxg -r tank');
    const taken = await snapshots();
    await mutations.undo(first);
    await isBase();
    const now = await snapshots();
    for (const row of taken.trim().split('\n')) shows(now, row);
    for (const { snapshot } of later) shows(now, snapshot);
  },
});
