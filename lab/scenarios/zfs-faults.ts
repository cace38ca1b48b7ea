import assert from 'node:assert/strict';

import type { MutationList, MutationView } from '../../src/wire/http.ts';
import type { Lab } from '../guest.ts';
import { Mutations } from '../mutations.ts';
import { scenario } from '../scenario.ts';

const DATASET = 'tank/crm';
const CONFIG = '/tank/crm/config';

/** At what point the controller dies, and how the mutation stands when another one has started. */
interface Death {
  readonly point: string;
  readonly during: 'clear' | 'commit' | 'rollback';
  readonly after: 'denied' | 'cleared' | 'committed' | 'rolled_back';
}

/** Every effect of a clear, a commit and a rollback, before and after, and every step of the rollback in the pool. */
const DEATHS: readonly Death[] = [
  { point: 'storage:before:snapshot', during: 'clear', after: 'denied' },
  { point: 'storage:after:snapshot', during: 'clear', after: 'denied' },
  { point: 'ledger:before:cleared', during: 'clear', after: 'denied' },
  { point: 'ledger:after:cleared', during: 'clear', after: 'cleared' },
  { point: 'ledger:before:committed', during: 'commit', after: 'cleared' },
  { point: 'ledger:after:committed', during: 'commit', after: 'committed' },
  { point: 'ledger:before:rollback_started', during: 'rollback', after: 'cleared' },
  { point: 'storage:before:rollback', during: 'rollback', after: 'rolled_back' },
  { point: 'zfs:after:failed-state-frozen', during: 'rollback', after: 'rolled_back' },
  { point: 'zfs:after:failed-state-kept', during: 'rollback', after: 'rolled_back' },
  { point: 'zfs:after:failed-state-released', during: 'rollback', after: 'rolled_back' },
  { point: 'zfs:after:rolled-back', during: 'rollback', after: 'rolled_back' },
  { point: 'storage:after:rollback', during: 'rollback', after: 'rolled_back' },
  { point: 'ledger:after:rolled_back', during: 'rollback', after: 'rolled_back' },
];

export default scenario({
  about:
    'A controller killed at every effect of clear, commit and rollback leaves nothing that the next one does not end.',
  minutesMax: 20,
  async run(lab) {
    await lab.freshPool(DATASET);
    const table: string[] = [];
    for (const [index, death] of DEATHS.entries()) {
      lab.step(`${death.during}: dies at ${death.point}`);
      table.push(await die(lab, death, index));
    }
    lab.step('nothing is left over');
    await lab.controller();
    await lab.until(async () => (await lab.sh(HOLDS)) === '', 'no hold is left');
    assert.equal(await lab.sh(`zfs list -H -o name -t snapshot -r ${DATASET} | grep @FAIL_ || true`), '');
    const undone = DEATHS.filter(({ after }) => after === 'rolled_back').length;
    const evidence = await new Mutations(lab).kept('evidence');
    assert.equal(evidence.length, undone);
    for (const { path } of evidence) assert.equal(String(await lab.get(`${path}/config`)), 'failed\n');
    await lab.hauki(['audit', 'verify']);
    process.stdout.write(table.map((row) => `  | ${row}\n`).join(''));
  },
});

const HOLDS = `zfs list -H -o name -t snapshot -r ${DATASET} | xargs -r zfs holds -H`;

async function die(lab: Lab, { point, during, after }: Death, index: number): Promise<string> {
  const mutations = new Mutations(lab);
  const before = `state ${index}\n`;
  await lab.put(CONFIG, before);
  const faulty = await lab.controller({ env: { HAUKI_FAULT: point } });
  // The one that dies does not answer.
  const ask = (path: string, body: unknown) => lab.api('POST', path, body).catch(() => undefined);
  const request = { intent: `dies at ${point}`, datasets: [DATASET], wait: '1s' };
  if (during === 'clear') await ask('/v1/mutations', request);
  else {
    const cleared = await mutations.cleared([DATASET], request.intent);
    await lab.put(CONFIG, 'failed\n');
    await ask(`/v1/mutations/${cleared.mutation}/${during}`, { fence: cleared.fence });
  }
  assert.equal(await faulty.ended(), 'signal', `it was to die at ${point}`);

  const next = await lab.controller();
  const { mutation, stage } = await lab.until(async () => {
    const newest = await newestOf(lab);
    return SETTLED.has(newest.stage) ? newest : undefined;
  }, 'the mutation has ended, or is cleared');
  assert.equal(stage, after, `after ${point}`);
  const changed = during !== 'clear' && after !== 'rolled_back';
  assert.equal(String(await lab.get(CONFIG)), changed ? 'failed\n' : before);
  const snapshots = await lab.sh(`zfs list -Hp -o hauki:mutation -t snapshot -r ${DATASET}`);
  assert.equal(snapshots.split('\n').filter((id) => id === mutation).length, after === 'denied' ? 0 : 1);
  if (stage === 'cleared') await end(lab, mutation);
  // It is free again, for whoever comes next.
  await mutations.commit(await mutations.cleared([DATASET], `after ${point}`));
  await next.stop();
  return `${during.padEnd(9)} ${point.padEnd(36)} ${after}`;
}

const SETTLED: ReadonlySet<string> = new Set(['denied', 'cleared', 'committed', 'rolled_back', 'quarantined']);

async function newestOf(lab: Lab): Promise<MutationView> {
  const { mutations } = (await lab.api('GET', '/v1/mutations?limit=1')).body as MutationList;
  const [newest] = mutations;
  assert.ok(newest !== undefined);
  return newest;
}

/** The lease has survived: its holder, who knows the token, goes on. */
async function end(lab: Lab, mutation: string): Promise<void> {
  const { fence = 0 } = await new Mutations(lab).show(mutation);
  const { status, body } = await lab.api('POST', `/v1/mutations/${mutation}/commit`, { fence });
  assert.equal(status, 200, JSON.stringify(body));
}
