import assert from 'node:assert/strict';

import type { MutationList, StatusView } from '../../src/wire/http.ts';
import type { Lab } from '../guest.ts';
import { Mutations } from '../mutations.ts';
import { scenario } from '../scenario.ts';

const INTENT = 'say "no", $(really)\n\tand 🦅 \\ -';

export default scenario({
  about: 'A lost ledger is rebuilt from the pool alone; one that is there is held against the pool at every start.',
  minutesMax: 12,
  async run(lab) {
    const mutations = new Mutations(lab);
    await lab.freshPool('tank/crm', 'tank/billing');
    await lab.put('/tank/crm/config', 'one\n');
    await lab.put('/tank/billing/config', 'one\n');
    const first = await lab.controller();
    const kept = await mutations.cleared(['tank/crm'], INTENT);
    await lab.put('/tank/crm/config', 'two\n');
    await mutations.commit(kept);
    const failed = await mutations.cleared(['tank/crm'], 'a bad idea');
    await lab.put('/tank/crm/config', 'three\n');
    await mutations.rollback(failed);
    await told(lab, kept.snapshot, 'committed');
    await told(lab, failed.snapshot, 'rolled_back');
    const open = await mutations.cleared(['tank/billing'], 'under way when the ledger was lost');
    await lab.put('/tank/billing/config', 'half\n');

    lab.step('the ledger is lost, and its key');
    await first.kill('SIGKILL');
    await first.ended();
    await lab.run(['rm', '-rf', `${lab.home}/ledger`, `${lab.home}/controller.key`, `${lab.home}/controller.pub`]);

    lab.step('a new one that is simply started says what it does not know, and gives no token again');
    const unknowing = await lab.controller();
    await lab.until(async () => (await status(lab)).findings.unknown.count > 0, 'the status names the snapshots');
    const other = await mutations.cleared(['tank/crm'], 'goes on meanwhile');
    assert.ok(other.fence > open.fence, `${other.fence} is not above ${open.fence}`);
    await mutations.rollback(other);
    await told(lab, other.snapshot, 'rolled_back');
    await unknowing.stop();
    await lab.run(['rm', '-rf', `${lab.home}/ledger`]);

    lab.step('it is rebuilt');
    await lab.hauki(['audit', 'rebuild']);
    await lab.hauki(['audit', 'verify']);
    await lab.controller();
    const { mutations: log } = (await lab.api('GET', '/v1/mutations')).body as MutationList;
    const stages = new Map(log.map(({ mutation, stage }) => [mutation, stage]));
    assert.deepEqual(
      [kept, failed, open, other].map(({ mutation }) => stages.get(mutation)),
      ['committed', 'rolled_back', 'quarantined', 'rolled_back'],
    );
    assert.equal(log.find(({ mutation }) => mutation === kept.mutation)?.intent, INTENT);
    assert.ok(log.every(({ rebuilt }) => rebuilt === true));

    lab.step('and can be acted on');
    await mutations.resolve(open, 'rollback');
    assert.equal(String(await lab.get('/tank/billing/config')), 'one\n');
    await mutations.undo(kept);
    assert.equal(String(await lab.get('/tank/crm/config')), 'one\n');
    const next = await mutations.cleared(['tank/crm'], 'as if nothing had happened');
    assert.ok(next.fence > other.fence, `${next.fence} is not above ${other.fence}`);
    await mutations.commit(next);
    await told(lab, next.snapshot, 'committed');

    await reconciled(lab, mutations, next.snapshot);
  },
});

/** What others did to the pool while no controller looked. */
async function reconciled(lab: Lab, mutations: Mutations, standing: string): Promise<void> {
  lab.step('a start finds what is missing, and lets go of what is left over');
  const gone = await mutations.cleared(['tank/billing'], 'destroyed by hand');
  await mutations.commit(gone);
  await told(lab, gone.snapshot, 'committed');
  await lab.sh('systemctl stop "lab-controller-*.service"');
  const properties = await lab.sh(
    `zfs get -H -o property,value -s local all ${standing} | grep ^hauki: | grep -v "hauki:\\(kind\\|outcome\\)"`,
  );
  const options = properties
    .trim()
    .split('\n')
    .flatMap((line) => ['-o', line.replace('\t', '=')]);
  await lab.sh(
    `zfs destroy ${gone.snapshot}; zfs inherit hauki:outcome ${standing}; zfs hold hauki ${standing}; zfs hold mine ${standing}`,
  );
  await lab.run(['zfs', 'snapshot', ...options, '-o', 'hauki:kind=failed', 'tank/crm@FAIL_left_over']);
  await lab.run(['zfs', 'snapshot', 'tank/crm@FAIL_not_ours']);
  await lab.controller();
  await lab.until(
    async () => (await status(lab)).findings.missing.snapshots.some(({ name }) => name === gone.snapshot),
    'the status names what is gone',
  );
  await lab.until(
    async () => (await lab.sh(`zfs holds -H ${standing} | cut -f2`)) === 'mine\n',
    'the stale hold is gone',
  );
  await told(lab, standing, 'committed');
  await lab.until(
    async () =>
      (await lab.sh('zfs list -H -o name -t snapshot -r tank/crm | grep @FAIL_')) === 'tank/crm@FAIL_not_ours\n',
    'the failed state that was left over is gone, and nobody else’s',
  );
  await lab.run(['zfs', 'release', 'mine', standing]);
}

async function told(lab: Lab, snapshot: string, outcome: string): Promise<void> {
  await lab.until(
    async () => (await lab.sh(`zfs get -H -o value hauki:outcome ${snapshot}`)).trim() === outcome,
    `the pool says that it is ${outcome}`,
  );
}

async function status(lab: Lab): Promise<StatusView> {
  return (await lab.api('GET', '/v1/status')).body as StatusView;
}
