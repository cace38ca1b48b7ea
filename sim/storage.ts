import { refusal, type Refusal } from '../src/base/refusal.ts';
import { err, ok, type Result } from '../src/base/result.ts';
import { type FinalStage, isFinal, type Mutation, type MutationId } from '../src/core/mutation/mutation.ts';
import type { Evidence, Snapshot } from '../src/core/snapshot/snapshot.ts';
import type { RollbackRequest, SnapshotRequest, Storage } from '../src/ports/storage.ts';
import { differences, type Frozen } from './pool.ts';
import type { Being } from './timeline.ts';
import type { World } from './world.ts';

type Done<T> = Promise<Result<T, Refusal>>;

/**
 * The storage as one controller sees it. What it does changes the pool step by step, so a crash in the middle leaves it
 * half-done; calls are slow, refused, break off or hang, before or after they had an effect.
 */
export function fakeStorage(world: World, controller: Being): Storage {
  const { pool, timeline, random, weather, invariants } = world;

  /** Between any two of these, anything can happen; the controller's death among it. */
  const step = async (): Promise<void> => {
    await timeline.pause(random.latency(0, weather.storageMsMax), controller);
    if (!random.chance(weather.crashInEffect)) return;
    world.controller.crash('in the middle of an effect');
    await new Promise(() => undefined);
  };
  const hang = async (what: string): Promise<void> => {
    if (!random.chance(weather.storageHangs)) return;
    const ms = random.int(20_000, 150_000);
    world.say(`storage: ${what} hangs for ${ms} ms`);
    await timeline.pause(ms, controller);
  };
  const call = async <T>(
    what: string,
    subject: string,
    code: 'snapshot_failed' | 'rollback_failed' | 'seal_failed',
    run: () => Done<T>,
    needless: () => boolean = () => false,
  ): Done<T> => {
    invariants.effectBegins(subject);
    world.say(`storage: ${what} begins`);
    try {
      await step();
      await hang(what);
      if (random.chance(weather.storageRefuses) && !needless())
        return err(refusal(code, `The storage would not ${what}.`));
      if (random.chance(weather.storageThrows)) throw new Error(`${what}: connection reset`);
      const result = await run();
      world.say(`storage: ${what} ${result.ok ? 'done' : `refused: ${result.error.code}`}`);
      await hang(`the answer to ${what}`);
      if (random.chance(weather.storageThrows)) throw new Error(`${what}: the answer was lost`);
      return result;
    } finally {
      invariants.effectEnds(subject);
    }
  };

  const snapshot = async (request: SnapshotRequest): Done<readonly Snapshot[]> => {
    const { mutation, properties } = request;
    for (const { dataset, name } of request.snapshots) {
      if (pool.frozen.get(name)?.content !== undefined) continue;
      if (pool.frozen.has(name) && pool.frozen.get(name)?.mutation !== mutation) {
        return err(refusal('snapshot_failed', `${name} is there already.`));
      }
      const { node, intent } = properties;
      const createdAt = world.wallNow();
      pool.frozen.set(name, {
        kind: 'snapshot',
        name,
        dataset,
        mutation,
        guid: world.serial('guid'),
        node,
        intent,
        fence: properties.fence,
        createdAt,
        content: undefined,
      });
      await step();
    }
    const made = request.snapshots.flatMap(({ name }) => pool.frozen.get(name) ?? []);
    if (properties.mode === 'critical') world.barriers.masterTaken(mutation);
    for (const frozen of made) frozen.content ??= pool.contentOf(frozen.dataset);
    await step();
    const back = made.map(({ dataset, name, guid, createdAt }) => ({
      dataset,
      driver: 'memory' as const,
      name,
      guid,
      createdAt,
    }));
    if (random.chance(weather.readBackFails)) {
      world.say(`storage: a snapshot of ${mutation} cannot be read back`);
      return ok(random.chance(0.5) ? back.slice(1) : back.map((one) => ({ ...one, guid: '' })));
    }
    invariants.readBack(mutation);
    return ok(back);
  };

  const rollback = async (request: RollbackRequest): Done<Evidence> => {
    const { mutation } = request.properties;
    const { dataset, driver, name } = request.snapshot;
    const target = pool.frozen.get(name)?.content;
    if (target === undefined) return err(refusal('snapshot_gone', `${name} is not there.`));
    const evidence: Frozen = {
      kind: 'evidence',
      name: request.evidenceName,
      dataset,
      mutation,
      guid: world.serial('guid'),
      node: request.properties.node,
      intent: request.properties.intent,
      fence: request.properties.fence,
      restsOn: name,
      createdAt: world.wallNow(),
      content: pool.contentOf(dataset),
    };
    if (!pool.frozen.has(evidence.name)) pool.frozen.set(evidence.name, evidence);
    invariants.rollbackBegins(mutation, dataset);
    await step();
    for (const path of differences(pool.contentOf(dataset), target)) {
      if (pool.isReadOnly(path)) return err(refusal('rollback_failed', `${path} is read-only.`));
      invariants.writes(mutation, path, 'storage');
      const content = target.get(path);
      if (content === undefined) pool.files.delete(path);
      else pool.files.set(path, content);
      await step();
    }
    if (differences(pool.contentOf(dataset), target).length > 0) {
      return err(refusal('rollback_unverified', `${dataset} differs from ${name} after the rollback.`));
    }
    return ok({ dataset, driver, name: evidence.name, path: `/evidence/${evidence.name}` });
  };

  /** Tells each snapshot and evidence how its mutation stands; a crash or a failure leaves some untold. */
  const tend = async (open: readonly Mutation[], ended: readonly Mutation[]): Promise<void> => {
    invariants.tendBegins(open, ended);
    try {
      for (const mutation of [...open, ...ended]) {
        await step();
        for (const frozen of pool.frozen.values()) {
          if (frozen.mutation !== mutation.id) continue;
          delete frozen.outcome;
          if (isFinal(mutation)) frozen.outcome = mutation.stage as FinalStage;
        }
      }
      await hang('tend');
      if (random.chance(weather.storageThrows)) throw new Error('tend: one of the datasets is busy');
    } finally {
      invariants.tendEnds();
    }
  };

  return {
    snapshot: (request) =>
      call(`snapshot ${request.mutation}`, request.mutation, 'snapshot_failed', () => snapshot(request)),
    discard: (mutation: MutationId) =>
      call(`discard ${mutation}`, mutation, 'snapshot_failed', async () => {
        for (const { name } of pool.frozenOf(mutation, 'snapshot')) {
          invariants.discards(mutation, name);
          pool.frozen.delete(name);
          await step();
        }
        return ok(undefined);
      }),
    rollback: (request) =>
      call(
        `rollback ${request.properties.mutation} ${request.snapshot.dataset} (attempt ${request.attempt})`,
        request.properties.mutation,
        'rollback_failed',
        () => rollback(request),
      ),
    destroy: (stored) => {
      invariants.destroyBegins(stored.name);
      const destroy = async (): Done<void> => {
        invariants.destroys(stored.mutation, stored.name);
        if ([...pool.frozen.values()].some(({ restsOn }) => restsOn === stored.name))
          return err(refusal('snapshot_kept', `${stored.name} carries evidence.`));
        pool.frozen.delete(stored.name);
        return ok(undefined);
      };
      // What an earlier try has destroyed, and could not say so, is no more to be refused.
      const gone = (): boolean => !pool.frozen.has(stored.name);
      return call(`destroy ${stored.name}`, `destroy ${stored.name}`, 'snapshot_failed', destroy, gone);
    },
    seal: (dataset, sealed) =>
      call(`${sealed ? 'seal' : 'unseal'} ${dataset}`, `seal ${dataset}`, 'seal_failed', async () => {
        if (sealed) pool.sealed.add(dataset);
        else pool.sealed.delete(dataset);
        invariants.sealed(dataset, sealed);
        return ok(undefined);
      }),
    list: async () => {
      await step();
      if (random.chance(weather.storageThrows)) throw new Error('list: connection reset');
      return [...pool.frozen.values()].map((frozen) => ({
        ...frozen,
        driver: 'memory' as const,
        mode: 'standard' as const,
      }));
    },
    reclaimable: async () => undefined,
    tend,
    locate: async (target) => ok({ name: target, driver: 'memory' }),
    plan: () => Promise.reject(new Error('nobody plans here')),
    diff: () => Promise.reject(new Error('nobody compares here')),
    scratch: async () => undefined,
  };
}
