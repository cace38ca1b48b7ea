import assert from 'node:assert/strict';

import { Mutations } from '../mutations.ts';
import { scenario } from '../scenario.ts';
import { fingerprint, furnish } from '../tree.ts';

const CONFIG = `retention:
  committed: { count: 1, age: 1s }
  failed: { count: 1, age: 1s }
`;

export default scenario({
  about:
    'Holds and clones that keep, pools that are full or gone, datasets renamed or destroyed: each told, none undone wrongly.',
  minutesMax: 12,
  async run(lab) {
    const image = `${lab.folder}/small.img`;
    await lab.freshPool('tank/crm');
    await furnish(lab, '/tank/crm');
    lab.after(async () => void (await lab.run(['zpool', 'destroy', '-f', 'small'], { okCodes: 'any' })));
    await lab.sh(`truncate -s 80M ${image}; zpool create -o autoexpand=on small ${image}; zfs create small/crm`);
    await lab.put('/small/crm/config', 'one\n');
    await lab.put(`${lab.home}/config.yaml`, CONFIG);
    await lab.controller();
    const mutations = new Mutations(lab);
    const before = await fingerprint(lab, '/tank/crm');
    const isBack = async (): Promise<void> => assert.equal(await fingerprint(lab, '/tank/crm'), before);
    const spoil = (): Promise<string> => lab.sh('cd /tank/crm; rm -r data; echo two > config; echo new > wreck');
    const snapshots = async (of: string): Promise<string[]> =>
      (await lab.sh(`zfs list -H -t snapshot -o name -d 1 ${of}`)).trim().split('\n');
    const shows = (text: string, ...parts: readonly string[]): void => {
      for (const part of parts) assert.ok(text.includes(part), `${JSON.stringify(part)} is not in: ${text}`);
    };

    lab.step("somebody's hold keeps one snapshot, and evidence that stays keeps its own; the others go");
    const committed = [];
    for (const intent of ['one', 'two', 'three']) {
      const grant = await mutations.cleared(['tank/crm'], intent);
      await mutations.commit(grant);
      committed.push(grant.snapshot);
    }
    const failed = await mutations.cleared(['tank/crm'], 'a failure');
    await spoil();
    await mutations.rollback(failed);
    await isBack();
    const [, held = ''] = committed;
    const evidence = (await lab.sh('zfs list -H -o name -d 1 tank/.hauki | tail -n 1')).trim();
    await lab.run(['zfs', 'hold', 'keep it', held]);
    await lab.run(['zfs', 'snapshot', `${evidence}@theirs`]);
    await lab.api('POST', '/v1/prune', {});
    const refusals = async (): Promise<Map<string, string>> => {
      const text = await lab.sh(
        `curl -sS --unix-socket ${lab.home}/controller.sock 'http://localhost/v1/events?after=0&follow=false' | sed -n 's/^data: //p'`,
      );
      const events = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as RefusedEvent);
      const refused = events.filter(({ type }) => type === 'hauki.destroy_refused');
      return new Map(refused.map(({ data }) => [data.target.name, data.reason.message]));
    };
    const told = await lab.until(async () => {
      const found = await refusals();
      return found.size === 3 && found;
    }, 'three are refused');
    shows(told.get(held) ?? '', held, 'keep it');
    shows(told.get(failed.snapshot) ?? '', evidence);
    shows([...told.values()].join(), `${evidence}@theirs`);
    await lab.until(async () => (await snapshots('tank/crm')).length === 2, 'the others are gone');
    assert.deepEqual(await snapshots('tank/crm'), [held, failed.snapshot]);

    lab.step('… and go when nothing keeps them any more');
    await lab.run(['zfs', 'release', 'keep it', held]);
    await lab.run(['zfs', 'destroy', `${evidence}@theirs`]);
    await lab.hauki(['prune']);
    await lab.until(async () => (await snapshots('tank/crm')).join() === '', 'the rest is gone as well');
    assert.equal(await lab.sh('zfs list -H -o name -r tank'), 'tank\ntank/.hauki\ntank/crm\n');

    lab.step('a dataset cannot be destroyed under an open mutation');
    const open = await mutations.cleared(['tank/crm'], 'be held');
    await lab.until(async () => (await lab.sh(`zfs holds -H ${open.snapshot}`)).includes('\thauki\t'), 'it is held');
    await spoil();
    const destroying = await lab.run(['zfs', 'destroy', '-r', 'tank/crm'], { okCodes: 'any' });
    assert.notEqual(destroying.code, 0);
    shows(destroying.stderr, 'busy');
    assert.deepEqual(await snapshots('tank/crm'), [open.snapshot]);

    lab.step('a dataset that has another name by now is not put back under it');
    await lab.run(['zfs', 'rename', 'tank/crm', 'tank/moved']);
    const spoiled = await fingerprint(lab, '/tank/moved');
    const renamed = await mutations.rollbackRefused(open);
    assert.equal(renamed.code, 'rollback_failed');
    shows(renamed.message, 'tank/crm', 'tank/moved');
    shows(renamed.hint, 'zfs rename tank/moved tank/crm', 'hauki resolve');
    assert.equal(await fingerprint(lab, '/tank/moved'), spoiled);
    await lab.run(['zfs', 'rename', 'tank/moved', 'tank/crm']);
    await mutations.resolve(open, 'rollback');
    await isBack();

    lab.step('a pool that is exported under open mutations');
    const stays = await mutations.cleared(['small/crm'], 'be committed meanwhile');
    await lab.until(async () => (await lab.sh(`zfs holds -H ${stays.snapshot}`)).includes('\thauki\t'), 'it is held');
    await lab.put('/small/crm/config', 'two\n');
    await lab.run(['zpool', 'export', 'small']);
    // To keep a change nothing has to be done to the storage.
    await mutations.commit(stays);
    const away = await mutations.denied(['small/crm'], 'too early');
    assert.equal(away.code, 'dataset_missing');
    await lab.run(['zpool', 'import', '-d', lab.folder, 'small']);
    const outcome = (): Promise<string> =>
      lab.sh(`zfs get -H -o value hauki:outcome ${stays.snapshot}; zfs holds -H ${stays.snapshot}`);
    await lab.until(async () => (await outcome()) === 'committed\n', 'the pool is told, and the hold is gone', {
      secondsMax: 90,
    });
    const goes = await mutations.cleared(['small/crm'], 'be rolled back meanwhile');
    await lab.put('/small/crm/config', 'three\n');
    await lab.run(['zpool', 'export', '-f', 'small']);
    const gone = await mutations.rollbackRefused(goes);
    shows(gone.message, 'pool small');
    shows(gone.hint, 'zpool import small', 'hauki resolve');
    await lab.run(['zpool', 'import', '-d', lab.folder, 'small']);
    assert.equal(String(await lab.get('/small/crm/config')), 'three\n');
    await mutations.resolve(goes, 'rollback');
    assert.equal(String(await lab.get('/small/crm/config')), 'two\n');

    lab.step('a command that fills the pool');
    // ZFS reckons with 24 times of what is written, and where that would not fit waits for the disk before it goes on: for minutes here.
    const inflation = '/sys/module/zfs/parameters/spa_asize_inflation';
    lab.after(async () => void (await lab.sh(`echo 24 > ${inflation}`)));
    await lab.sh(`echo 3 > ${inflation}`);
    await furnish(lab, '/small/crm');
    const small = await fingerprint(lab, '/small/crm');
    const filling = ['guard', '--dataset', 'small/crm', '--intent', 'fill it', '--json', '--'];
    const filled = await lab.hauki(
      [...filling, 'sh', '-c', 'rm -r /small/crm/app; dd if=/dev/urandom of=/small/crm/fill bs=1M status=none'],
      {
        okCodes: [1, 70],
      },
    );
    const { mutation } = JSON.parse(filled.stdout) as { mutation: string };
    const became = await mutations.show(mutation);
    if (filled.code === 70) {
      assert.equal(became.stage, 'quarantined');
      shows(became.reason?.message ?? '', 'small/crm', 'could not be kept');
      shows(became.reason?.hint ?? '', 'Free space');
      assert.equal(await lab.sh('ls /small/crm'), 'config\ndata\nfill\n');
      lab.step('… is undone when there is space');
      await lab.sh(`truncate -s 224M ${image}; zpool online -e small ${image}`);
      await mutations.resolve({ mutation }, 'rollback');
    } else assert.equal(became.stage, 'rolled_back');
    assert.equal(await fingerprint(lab, '/small/crm'), small);
    assert.match(await lab.sh(`ls ${await mutations.evidencePath({ mutation })}`), /^fill$/m);

    lab.step('little space is a reason to say no');
    await lab.sh(
      'zpool sync small; used=$(zfs get -Hp -o value used small/crm); zfs set quota=$((used + used / 50)) small/crm',
    );
    const tight = await mutations.denied(['small/crm'], 'one more');
    assert.equal(tight.code, 'low_space');
    assert.match(tight.message, /\d MiB free/);
    assert.equal((await snapshots('small/crm')).filter((name) => name.includes('one_more')).length, 0);
  },
});

interface RefusedEvent {
  readonly type: string;
  readonly data: { readonly target: { readonly name: string }; readonly reason: { readonly message: string } };
}
