import assert from 'node:assert/strict';

import type { KeptList, MutationList } from '../../src/wire/http.ts';
import { scenario } from '../scenario.ts';
import { fingerprint } from '../tree.ts';

const USER = 'alice';
const HOME = `/home/${USER}/hauki`;

interface Doctor {
  readonly storages: readonly { readonly driver: string; readonly limits: readonly { what: string; fix: string }[] }[];
}

export default scenario({
  about:
    'An ordinary user guards a dataset of his own with what "zfs allow" gives him, and is told what that has to be.',
  minutesMax: 12,
  async run(lab) {
    await lab.freshPool('tank/crm', 'tank/alice');
    // Evidence is mounted below HOME, and goes with the pool.
    lab.after(async () => void (await lab.sh(`zpool destroy -f tank; rm -rf ${HOME} /etc/sudoers.d/hauki`)));
    await lab.sh(`chown ${USER}: /tank/alice; echo theirs > /tank/crm/config`);
    // One in which she has nothing, and is to be allowed nothing.
    const disk = `${lab.folder}/others.img`;
    await lab.sh(`truncate -s 128M ${disk}; zpool create -f others ${disk}; zfs create others/www`);
    lab.after(async () => void (await lab.sh(`zpool destroy -f others; rm ${disk}`)));
    // Controllers that commands start for themselves go as soon as they are idle, so none is left for root to meet.
    const as = { user: USER, env: { HAUKI_HOME: HOME, HAUKI_IDLE_MS: '3000' } };
    await lab.run(
      ['sh', '-ec', 'cd /tank/alice; mkdir app; echo one > config; echo two > app/two; chmod 600 config'],
      as,
    );
    const before = await fingerprint(lab, '/tank/alice');
    const guard = ['guard', '--dataset', 'tank/alice', '--intent', 'as a user', '--'];

    lab.step('without leave nothing is executed, and what is needed is named');
    const denied = await lab.hauki([...guard, 'touch', '/tank/alice/ran'], { ...as, okCodes: [75] });
    assert.match(denied.stderr, /zfs snapshot/);
    assert.match(denied.stderr, /zfs allow alice destroy,\S+ tank\/alice/);
    assert.equal(await fingerprint(lab, '/tank/alice'), before);

    lab.step('doctor prints just the lines that root has to type');
    const limits = async (): Promise<string[]> => {
      const report = await lab.json<Doctor>(['/opt/hauki/hauki', 'doctor', '--json'], { ...as, okCodes: 'any' });
      return report.storages.find(({ driver }) => driver === 'zfs')?.limits.map(({ fix }) => fix) ?? [];
    };
    const printed = await limits();
    const lines = printed.flatMap((fix) => /^As root: (zfs (?:allow|create) .*)$/.exec(fix)?.[1] ?? []);
    assert.equal(lines.length, 2, printed.join('\n'));
    assert.ok(lines.some((line) => /^zfs allow alice \S+ tank\/alice$/.test(line)));
    assert.doesNotMatch(printed.join('\n'), /tank\/crm|others/);
    for (const line of lines) await lab.run(['sh', '-ec', line]);
    const left = await limits();
    assert.deepEqual(
      left,
      printed.filter((fix) => !lines.some((line) => fix.includes(line))),
    );

    lab.step('then a command that works is committed, and one that fails is undone');
    await lab.hauki([...guard, 'sh', '-c', 'echo changed > /tank/alice/app/two'], as);
    const committed = await fingerprint(lab, '/tank/alice');
    assert.notEqual(committed, before);
    const wreck = ['sh', '-c', 'cd /tank/alice; rm -r app; echo new > wreck; chmod 644 config; exit 3'];
    await lab.hauki([...guard, ...wreck], { ...as, okCodes: [3] });
    assert.equal(await fingerprint(lab, '/tank/alice'), committed);
    const other = ['guard', '--dataset', 'tank/crm', '--intent', 'not mine', '--', 'touch', '/tank/crm/ran'];
    assert.match((await lab.hauki(other, { ...as, okCodes: [75] })).stderr, /zfs allow alice \S+ tank\/crm/);

    lab.step('the failed state is there to be mounted by root');
    const evidence = async (): Promise<readonly { path: string; dataset: string; mutation: string }[]> => {
      const { kept } = await lab.json<KeptList>(['/opt/hauki/hauki', 'evidence', '--json'], as);
      return kept.map(({ path = '', mutation }) => {
        return { path, mutation, dataset: `tank/.hauki/${path.slice(path.lastIndexOf('/') + 1)}` };
      });
    };
    const [first] = await evidence();
    assert.ok(first);
    assert.equal(await lab.sh(`zfs get -H -o value mounted ${first.dataset}`), 'no\n');
    await lab.run(['zfs', 'mount', first.dataset]);
    assert.equal((await lab.run(['cat', `${first.path}/wreck`], as)).stdout, 'new\n');
    await lab.run(['zfs', 'umount', first.dataset]);
    await lab.hauki(['evidence', 'rm', first.mutation], as);
    assert.notEqual((await lab.run(['zfs', 'list', first.dataset], { okCodes: 'any' })).code, 0);

    lab.step('with the rule for sudo that doctor prints it is mounted by itself');
    const rule = left.flatMap((fix) => /in \/etc\/sudoers\.d\/hauki: (.*)$/.exec(fix)?.[1] ?? []);
    assert.equal(rule.length, 1);
    await lab.put('/etc/sudoers.d/hauki', `${rule.join()}\n`, '440');
    await lab.run(['visudo', '-c']);
    await lab.hauki([...guard, ...wreck], { ...as, okCodes: [3] });
    assert.equal(await fingerprint(lab, '/tank/alice'), committed);
    const [second] = await evidence();
    assert.ok(second);
    assert.equal((await lab.run(['cat', `${second.path}/wreck`], as)).stdout, 'new\n');
    for (const wrong of [
      ['mount', 'tank/crm'],
      ['destroy', second.dataset],
      ['mount', '-a'],
      ['mount', `${second.dataset} -o x`],
    ])
      assert.notEqual((await lab.run(['sudo', '-n', 'zfs', ...wrong], { ...as, okCodes: 'any' })).code, 0);

    const { mutations } = await lab.json<MutationList>(['/opt/hauki/hauki', 'log', '--json'], as);
    const stages = mutations.map(({ stage }) => stage);
    assert.deepEqual(stages, ['rolled_back', 'denied', 'rolled_back', 'committed', 'denied']);
  },
});
