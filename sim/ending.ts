import type { Event } from '../src/core/event.ts';
import { archive, evolve } from '../src/core/evolve.ts';
import { holdsLocks, isFinal, type Mutation } from '../src/core/mutation/mutation.ts';
import { pending } from '../src/core/pending.ts';
import { sealsOver } from '../src/core/seal/seal.ts';
import { EMPTY, type State } from '../src/core/state.ts';
import { verifyChain } from '../src/ledger/chain.ts';
import { memoryLedger } from '../src/ledger/memory/ledger.ts';
import { alike, comparable } from './likeness.ts';
import { NOBODY } from './pool.ts';
import type { World } from './world.ts';

/**
 * What has to hold when the storm is over, everybody is gone, and time has passed: all has ended, the ledger is whole, and what it says
 * is what there is.
 *
 * @param mirror the state that follows from what became durable
 */
export async function judgeEnd(
  world: World,
  mirror: State,
  violated: (invariant: number, words: string) => void,
): Promise<void> {
  const same = (one: State, other: State, what: string): void => {
    const a = comparable(one);
    const b = comparable(other);
    if (a !== b) violated(7, `Not alike: ${what}.\n  ${a}\n  ${b}`);
  };

  const { disk, controller, pool, door } = world;
  const open = [...mirror.mutations.values()].filter(
    (mutation) => !isFinal(mutation) && mutation.stage !== 'quarantined',
  );
  for (const { id, stage } of open) violated(6, `${id} is still ${stage} long after everybody is gone.`);
  for (const effect of pending(mirror)) violated(6, `The ${effect.kind} of ${effect.subject} is still pending.`);
  if (door.unanswered > 0) violated(0, `${door.unanswered} call(s) were never answered.`);
  const { broken } = verifyChain(disk.data.records);
  if (broken !== undefined) violated(6, `The ledger is broken at ${broken.seq}: ${broken.problem}`);

  const events = disk.data.records.map(({ body }) => JSON.parse(body) as Event);
  const replayed = evolve(EMPTY, events);
  same(await memoryLedger(disk.data).load(), archive(replayed), 'the stored state and the replayed ledger');
  for (const [id, text] of disk.data.mutations) {
    if (!alike(JSON.parse(text) as Mutation, replayed.mutations.get(id))) {
      violated(7, `What is stored of ${id} is not what its events say.`);
    }
  }
  const serving = controller.serving;
  if (serving === undefined) violated(6, 'No controller runs at the end.');
  else same(serving.engine.state, archive(replayed), 'the live state and the replayed ledger');

  for (const { name, mutation, outcome } of pool.frozen.values()) {
    const stage = replayed.mutations.get(mutation)?.stage;
    if (stage !== undefined && isFinal({ stage }) && outcome !== stage)
      violated(0, `${name} was never told that ${mutation} is ${stage}; it says ${outcome ?? 'nothing'}.`);
  }
  world.barriers.end();
  const { unknown, missing } = replayed.findings;
  const strangers = [...pool.frozen.values()].filter(({ mutation }) => mutation === NOBODY);
  if (unknown.count !== strangers.length || missing.count > 0)
    violated(0, `Found are ${unknown.count} unknown and ${missing.count} missing snapshots.`);

  const lifted = new Set(
    [...mirror.mutations.values()]
      .filter(holdsLocks)
      .flatMap((mutation) => sealsOver(mirror, mutation).map(({ name }) => name)),
  );
  for (const [dataset, { wanted }] of mirror.seals) {
    if (wanted && !pool.sealed.has(dataset) && !lifted.has(dataset))
      violated(0, `${dataset} should be sealed and is writable.`);
  }
  for (const dataset of pool.sealed) {
    if (mirror.seals.get(dataset)?.wanted !== true) violated(0, `${dataset} is sealed, and nobody wants that.`);
  }
}
