import assert from 'node:assert/strict';

import { scenario } from '../scenario.ts';
import { NODE, ROOT, setTheStage, STATE } from '../story.ts';

const PATCH = `--- a/app/version
+++ b/app/version
@@ -1 +1 @@
-schema 42
+schema 43
`;

export default scenario({
  about: 'The story of mission.md: tasks run in a container under snapshots of the host, are undone, denied, and wait.',
  minutesMax: 45,
  async run(lab) {
    const story = await setTheStage(lab);
    const version = async (): Promise<string> => String(await lab.get('/tank/meshfs/state/crm/app/version'));

    lab.step('third_strike.task: seen, frozen, executed, told');
    await story.dropSigned(
      'third_strike.task',
      // What it leaves running is ended, also where lxcfs shows the host's process ids.
      `#!/bin/sh\nset -e\necho schema 42 > ${ROOT}/app/version\nsystemd-detect-virt\nsetsid sleep 4321 >/dev/null 2>&1 &\nsleep 1\n`,
    );
    assert.equal(await story.end('third_strike.task'), 'done', JSON.stringify(await story.result('third_strike.task')));
    assert.equal(await version(), 'schema 42\n');
    assert.match(await story.log('third_strike.task'), /^lxc$/m);
    assert.match(await story.log('third_strike.task'), /1 processes that it left behind were ended/);
    assert.equal(await story.lxd.exec(NODE, ['sh', '-c', 'pgrep -fx "sleep 4321" || :']), '');
    const [snapshot = ''] = await story.snapshots();
    assert.match(snapshot, new RegExp(`^${STATE}@PRE_${NODE}_execute_third_strike.task_\\d{8}_\\d{6}_\\d{3}$`));
    await lab.until(async () => /COMPLETED flawlessly/.test(await story.channel()), 'the channel has heard the end');
    const channel = await story.channel();
    assert.ok(channel.includes(`Lock secured. ZFS Snapshot '${snapshot}' captured for '${NODE}'.`), channel);
    assert.ok(channel.includes('ZFS Lock secured. Executing code surgery: third_strike.task'), channel);
    assert.ok(channel.includes('Surgery third_strike.task COMPLETED flawlessly.'), channel);
    await lab.run(['zfs', 'list', '-t', 'snapshot', '-o', 'name,used,refer,hauki:intent', '-r', STATE]);

    lab.step('a payload that fails half-way: byte for byte as it was, and what it did can be looked at');
    const before = await story.fingerprint();
    const half = `#!/bin/sh\nset -e\nrm "${ROOT}/app/a file"\necho half > ${ROOT}/app/version\nmkdir ${ROOT}/new\nfalse\n`;
    await story.dropSigned('half.task', half);
    assert.equal(await story.end('half.task'), 'failed');
    assert.equal(await story.fingerprint(), before);
    const { mutation } = await story.result('half.task');
    const { body } = await lab.api('GET', `/v1/mutations/${String(mutation)}`);
    const [evidence] = (body as { evidence: { path: string }[] }).evidence;
    assert.equal(String(await lab.get(`${evidence?.path}/app/version`)), 'half\n');

    lab.step('x-surgeon: a diff is applied whole, and one that does not fit changes nothing');
    await story.dropSigned('bump.patch', PATCH);
    assert.equal(await story.end('bump.patch'), 'done', JSON.stringify(await story.result('bump.patch')));
    assert.equal(await version(), 'schema 43\n');
    await story.dropSigned('again.patch', PATCH);
    assert.notEqual(await story.end('again.patch'), 'done');
    assert.equal(await version(), 'schema 43\n');

    lab.step('unsigned, and with a signature of somebody else: denied, not executed');
    const mark = (name: string): string => `#!/bin/sh\necho ran > ${ROOT}/${name}\n`;
    await story.drop('unsigned.task', mark('unsigned'));
    assert.equal(await story.end('unsigned.task'), 'denied');
    await lab.sh(`ssh-keygen -q -t ed25519 -N '' -f ${lab.folder}/mallory <<<y`);
    await story.drop('mallory.task', mark('mallory'), '--sign', `${lab.folder}/mallory`);
    assert.equal(await story.end('mallory.task'), 'denied');
    assert.equal(await lab.sh(`ls /tank/meshfs/state/crm`), 'app\n');

    lab.step('the controller stopped: nothing is executed; started: executed once');
    await lab.run(['systemctl', 'stop', 'hauki-controller.service']);
    await story.dropSigned('later.task', `#!/bin/sh\necho ran >> ${ROOT}/later\n`);
    await lab.run(['sleep', '15']);
    assert.equal(await lab.sh(`ls /tank/meshfs/state/crm`), 'app\n');
    await lab.run(['systemctl', 'start', 'hauki-controller.service']);
    assert.equal(await story.end('later.task'), 'done');
    assert.equal(String(await lab.get('/tank/meshfs/state/crm/later')), 'ran\n');

    lab.step('fifty tasks in the inbox: each once, by name, each under a snapshot of its own');
    const had = (await story.snapshots()).length;
    await lab.sh(`mkdir -p ${lab.folder}/fifty`);
    for (let index = 0; index < 50; index += 1) {
      const name = `n${String(index).padStart(2, '0')}.task`;
      await lab.put(`${lab.folder}/fifty/${name}`, `#!/bin/sh\necho ${name} >> ${ROOT}/order\n`, '755');
    }
    await lab.sh(`
      for file in ${lab.folder}/fifty/*.task; do ssh-keygen -q -Y sign -n hauki-task -f ${lab.folder}/alice "$file"; done
      cp ${lab.folder}/fifty/*.sig ${lab.folder}/vault/nodes/${NODE}/inbox/
      cp ${lab.folder}/fifty/*.task ${lab.folder}/vault/nodes/${NODE}/inbox/
    `);
    assert.equal(await story.end('n49.task', 900), 'done');
    const order = String(await lab.get('/tank/meshfs/state/crm/order'))
      .trim()
      .split('\n');
    assert.deepEqual(order, order.toSorted());
    assert.equal(new Set(order).size, 50);
    assert.equal((await story.snapshots()).length, had + 50);

    lab.step('GEM-EXEC: a block that is meant for the container runs there, from the host');
    const text = `Restart it.\n\n[GEM-EXEC node=${NODE} intent="look at the unit"]\nsystemctl is-active shadow-writer.service\nsystemd-detect-virt > ${ROOT}/gem\n[/GEM-EXEC]\n`;
    await lab.put(`${lab.folder}/runbook.md`, text);
    const where = ['--via', `${NODE}=lxd:${NODE}`];
    const ran = await lab.hauki(['exec', `${lab.folder}/runbook.md`, ...where, '--yes']);
    assert.match(`${ran.stdout}${ran.stderr}`, /active/);
    assert.equal(String(await lab.get('/tank/meshfs/state/crm/gem')), 'lxc\n');

    lab.step('what is left of it: the channel, the snapshots, the ledger');
    await lab.run(['zfs', 'list', '-t', 'snapshot', '-o', 'name,used,refer,hauki:intent', '-r', STATE]);
    await story.channel();
    await lab.hauki(['audit', 'verify']);
    await lab.hauki(['audit', 'witness', `${lab.folder}/channel.log`]);
  },
});
