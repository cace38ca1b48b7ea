import assert from 'node:assert/strict';

import type { Lab } from '../guest.ts';
import { Mutations } from '../mutations.ts';
import { scenario } from '../scenario.ts';
import { fingerprint, furnish } from '../tree.ts';

const CHANGED_MIB = 150;

export default scenario({
  about:
    'After a power cut in the middle of a change, and of a rollback, the state is back or the change is kept, as promised.',
  minutesMax: 12,
  async run(lab) {
    const mutations = new Mutations(lab);
    await lab.freshPool('tank/crm', 'tank/billing');
    for (const path of ['/tank/crm', '/tank/billing']) await furnish(lab, path);
    const before = await fingerprint(lab, '/tank/crm');
    await lab.controller();

    lab.step('the power fails right after a commit was answered, and in the middle of a change');
    const committed = await mutations.cleared(['tank/billing'], 'kept over the power cut');
    await lab.sh('echo kept > /tank/billing/config; sync -f /tank/billing');
    await mutations.commit(committed);
    const open = await mutations.cleared(['tank/crm'], 'half-way through', { ttl: '10m' });
    await lab.sh('rm -r /tank/crm/app; echo half > /tank/crm/config; sync -f /tank/crm');
    await powerFails(lab);
    assert.equal(String(await lab.get('/tank/billing/config')), 'kept\n');
    assert.equal((await mutations.show(committed.mutation)).stage, 'committed');
    // Its lease outlives the controller; its holder does not know yet, or comes back and gives up.
    assert.equal((await mutations.show(open.mutation)).stage, 'cleared');
    await mutations.rollback(open);
    assert.equal(await fingerprint(lab, '/tank/crm'), before);

    lab.step(`the power fails in the middle of a rollback, while ${CHANGED_MIB} MiB are kept as evidence`);
    const large = await mutations.cleared(['tank/crm'], 'a large change');
    await lab.sh(`head -c ${CHANGED_MIB}M /dev/urandom > /tank/crm/data/large; rm /tank/crm/config; sync -f /tank/crm`);
    const failed = (await lab.sh('sha256sum < /tank/crm/data/large')).trim();
    const asking = lab.start([
      ...['curl', '-sS', '--unix-socket', `${lab.home}/controller.sock`, '-H', 'content-type: application/json'],
      ...['-d', JSON.stringify({ fence: large.fence }), `http://localhost/v1/mutations/${large.mutation}/rollback`],
    ]);
    asking.done.catch(() => undefined);
    await lab.until(
      async () => (await lab.run(['pgrep', '-f', '^zfs send '], { okCodes: 'any' })).code === 0,
      'the failed state is being sent',
      { everyMs: 20 },
    );
    await powerFails(lab);
    await lab.until(async () => (await mutations.show(large.mutation)).stage === 'rolled_back', 'it is rolled back', {
      secondsMax: 120,
    });
    assert.equal(await fingerprint(lab, '/tank/crm'), before);
    const kept = await mutations.evidencePath(large);
    assert.equal((await lab.sh(`sha256sum < ${kept}/data/large`)).trim(), failed);

    lab.step('nothing is left over, the ledger is whole, and so is the pool');
    assert.equal(await lab.sh('zfs list -H -o name -t snapshot -r tank/crm | grep @FAIL_ || true'), '');
    assert.equal(await lab.sh('zfs list -H -o name -r tank | grep "%recv" || true'), '');
    await lab.hauki(['audit', 'verify']);
    assert.match(await lab.sh('zpool scrub -w tank; zpool status -x tank'), /healthy/);
  },
});

async function powerFails(lab: Lab): Promise<void> {
  await lab.powerCut();
  await lab.boot();
  await lab.controller();
}
