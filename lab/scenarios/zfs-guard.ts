import assert from 'node:assert/strict';

import { Mutations } from '../mutations.ts';
import { scenario } from '../scenario.ts';
import { fingerprint, furnish } from '../tree.ts';

const NAME = /^tank\/crm@PRE_hauki-lab_deploy_the_patch_\d{8}_\d{6}_\d{3}$/;

/** Everything a command can do to a tree. */
const WRECK = `cd /tank/crm; rm -r data; echo two > config; chmod 700 app; mv app/deep app/moved; echo new > wreck`;

export default scenario({
  about:
    'Guarding ZFS: frozen, told in properties, undone byte for byte, volumes and trees of datasets too, and sealed.',
  minutesMax: 12,
  async run(lab) {
    await lab.freshPool('tank/crm', 'tank/tree', 'tank/tree/a', 'tank/tree/a/b');
    await lab.run(['zfs', 'create', '-V', '16M', 'tank/disk']);
    await furnish(lab, '/tank/crm');
    await lab.controller();
    const mutations = new Mutations(lab);
    const get = async (property: string, of: string): Promise<string> =>
      (await lab.run(['zfs', 'get', '-Hp', '-o', 'value', property, of])).stdout.trim();
    const holds = async (of: string): Promise<string> => (await lab.run(['zfs', 'holds', '-H', of])).stdout;

    lab.step('a command that works');
    const works = `until zfs holds -H "$HAUKI_SNAPSHOT" | grep -P '\\thauki\\t'; do sleep 0.2; done
      zfs list -H -t snapshot -o name,used,refer,hauki:intent tank/crm; echo patched >> /tank/crm/config`;
    const guard = ['guard', '--dataset', 'tank/crm', '--intent', 'deploy the patch', '--'];
    const committed = await lab.hauki([...guard, 'sh', '-ec', works]);
    const snapshot = /Lock secured\. ZFS Snapshot '(.*)' captured for 'hauki-lab'\./.exec(committed.stderr)?.[1] ?? '';
    assert.match(snapshot, NAME);
    const [held = '', row = ''] = committed.stdout.split('\n');
    assert.match(held, new RegExp(`^${snapshot}\thauki\t`));
    assert.match(row, new RegExp(`^${snapshot}\t\\S+\t\\S+\tdeploy the patch$`));
    assert.equal(String(await lab.get('/tank/crm/config')), 'one\npatched\n');
    // The hold goes, and the outcome is told, when nobody waits any more.
    await lab.until(async () => (await get('hauki:outcome', snapshot)) === 'committed', 'the outcome is told');
    assert.equal(await holds(snapshot), '');
    assert.equal(await get('hauki:node', snapshot), 'hauki-lab');
    assert.equal(await get('hauki:mode', snapshot), 'standard');

    lab.step('a command that fails');
    const before = await fingerprint(lab, '/tank/crm');
    const failed = await lab.hauki(
      ['guard', '--path', '/tank/crm', '--intent', 'deploy a bad patch', '--'].concat([
        'sh',
        '-ec',
        `${WRECK}; exit 3`,
      ]),
      {
        okCodes: [3],
      },
    );
    assert.match(failed.stderr, /Lock secured\. ZFS Snapshot 'tank\/crm@PRE_hauki-lab_deploy_a_bad_patch_/);
    assert.equal(await fingerprint(lab, '/tank/crm'), before);
    const shown = /the failed state is kept in (\S+)/.exec(failed.stderr)?.[1] ?? '';
    assert.equal(String(await lab.get(`${shown}/wreck`)), 'new\n');
    assert.match((await lab.hauki(['evidence'])).stdout, new RegExp(`deploy a bad patch .*${shown}`));

    lab.step('the failed state is kept as it was, beside the one that is back');
    const undone = await mutations.cleared(['/tank/crm'], 'wreck it 🦅\n"twice"');
    assert.match(undone.snapshot, /^tank\/crm@PRE_/);
    assert.equal(await get('hauki:intent', undone.snapshot), 'wreck it 🦅\\n"twice"');
    await lab.sh(WRECK);
    const wrecked = await fingerprint(lab, '/tank/crm');
    await mutations.rollback(undone);
    assert.equal(await fingerprint(lab, '/tank/crm'), before);
    assert.equal(await fingerprint(lab, await mutations.evidencePath(undone)), wrecked);
    await lab.until(async () => (await get('hauki:outcome', undone.snapshot)) === 'rolled_back', 'the outcome is told');
    const left = await lab.sh('zfs list -H -t snapshot -o name -r tank/crm');
    assert.doesNotMatch(left, /FAIL/);

    lab.step('a volume, open all the while');
    const device = '/dev/zvol/tank/disk';
    const digest = async (of: string): Promise<string> => (await lab.sh(`sha256sum < ${of}`)).trim();
    await lab.until(async () => (await lab.run(['test', '-b', device], { okCodes: 'any' })).code === 0, 'the device');
    await lab.sh(`head -c 16M /dev/urandom > ${device}`);
    const opened = lab.start(['bash', '-c', `exec 3<>${device}; echo open; sleep 1000`]);
    await lab.until(async () => opened.stdout().includes('open'), 'the volume is open');
    const whole = await digest(device);
    const volume = await mutations.cleared(['tank/disk'], 'repartition');
    // Not synced: as long as it is open, the kernel may keep what was written to itself.
    await lab.sh(`head -c 3M /dev/urandom | dd of=${device} bs=64k conv=notrunc status=none`);
    const overwritten = await digest(device);
    assert.notEqual(overwritten, whole);
    await mutations.rollback(volume);
    assert.equal(await digest(device), whole);
    await lab.sh(`sync; blockdev --flushbufs ${device}`);
    assert.equal(await digest(device), whole);
    const kept = await mutations.evidencePath(volume);
    await lab.until(async () => (await lab.run(['test', '-b', kept], { okCodes: 'any' })).code === 0, kept);
    assert.equal(await digest(kept), overwritten);
    await opened.kill('SIGKILL');

    lab.step('a volume with a file system that is mounted does not go back under it');
    await lab.sh(
      `mkfs.ext4 -q ${device}; mkdir -p /mnt/disk; mount ${device} /mnt/disk; echo one > /mnt/disk/config; sync`,
    );
    const used = await mutations.cleared(['tank/disk'], 'change a file in the volume');
    await lab.sh('echo two > /mnt/disk/config; sync');
    const refused = await mutations.rollbackRefused(used);
    assert.equal(refused.code, 'rollback_blocked');
    assert.match(refused.message, /tank\/disk .*mounted/);
    await lab.run(['umount', '/mnt/disk']);
    await mutations.resolve(used, 'rollback');
    await lab.run(['mount', device, '/mnt/disk']);
    assert.equal(String(await lab.get('/mnt/disk/config')), 'one\n');
    await lab.run(['umount', '/mnt/disk']);

    lab.step('a dataset with all inside it, of one moment');
    const folders = ['/tank/tree', '/tank/tree/a', '/tank/tree/a/b'];
    for (const folder of folders) await lab.put(`${folder}/file`, `in ${folder}\n`);
    const prints = await Promise.all(folders.map((folder) => fingerprint(lab, folder)));
    const tree = await mutations.cleared(['tank/tree'], 'change all', { recursive: true });
    const rows = (await lab.sh('zfs list -Hp -t snapshot -o name,createtxg,hauki:mutation -r tank/tree'))
      .trim()
      .split('\n');
    const label = tree.snapshot.slice(tree.snapshot.indexOf('@'));
    const [, txg = ''] = rows[0]?.split('\t') ?? [];
    assert.deepEqual(
      rows,
      ['tank/tree', 'tank/tree/a', 'tank/tree/a/b'].map((name) => `${name}${label}\t${txg}\t${tree.mutation}`),
    );
    for (const folder of folders) await lab.put(`${folder}/file`, 'changed\n');
    await mutations.rollback(tree);
    assert.deepEqual(await Promise.all(folders.map((folder) => fingerprint(lab, folder))), prints);

    lab.step('sealed: not even what was open before can write');
    const writer = lab.start([
      'bash',
      '-c',
      'exec 3>>/tank/crm/log; while sleep 0.2; do if echo line >&3; then echo wrote; fi; done',
    ]);
    const wrote = (): number => writer.stdout().split('wrote').length;
    const stopped = (): number => writer.stderr().split('Read-only file system').length;
    const goesOn = async (count: () => number, what: string): Promise<void> => {
      const so = count();
      await lab.until(async () => count() > so + 1, what);
    };
    await goesOn(wrote, 'it writes');
    await lab.hauki(['seal', '--dataset', 'tank/crm']);
    await goesOn(stopped, 'what is open cannot write');
    assert.equal(await get('readonly', 'tank/crm'), 'on');
    assert.match((await lab.run(['touch', '/tank/crm/new'], { okCodes: [1] })).stderr, /Read-only file system/);

    lab.step('… until a mutation is cleared, and then again');
    const open = await mutations.cleared(['tank/crm'], 'what is allowed');
    await lab.put('/tank/crm/allowed', 'yes\n');
    await goesOn(wrote, 'it writes again');
    await mutations.commit(open);
    await goesOn(stopped, 'it is sealed again');
    const sealed = await fingerprint(lab, '/tank/crm');
    // It is nobody of ours: what it writes while the state goes back would be found, and told.
    await writer.kill('SIGSTOP');
    const bad = await mutations.cleared(['tank/crm'], 'what fails');
    await lab.run(['rm', '/tank/crm/allowed']);
    await mutations.rollback(bad);
    assert.equal(await fingerprint(lab, '/tank/crm'), sealed);
    await writer.kill('SIGCONT');
    await goesOn(stopped, 'it is sealed after a rollback');
    await lab.hauki(['unseal', '--dataset', 'tank/crm']);
    await goesOn(wrote, 'it writes when the seal is lifted');
    assert.equal(await get('readonly', 'tank/crm'), 'off');
  },
});
