import type { Code } from '../base/codes.ts';
import { refusal, type Refusal } from '../base/refusal.ts';
import { ok, type Result } from '../base/result.ts';
import { traceFields } from '../base/traceparent.ts';
import type { Answer, CommandBody } from '../core/command.ts';
import type { Dataset, DatasetName } from '../core/dataset.ts';
import type { FlushedNode } from '../core/event.ts';
import type { Mutation } from '../core/mutation/mutation.ts';
import type { Effect } from '../core/pending.ts';
import { evidenceName } from '../core/snapshot/name.ts';
import type { Evidence, Snapshot } from '../core/snapshot/snapshot.ts';
import type { Barrier } from '../ports/mesh.ts';
import type { Processes } from '../ports/processes.ts';
import type { SnapshotProperties, Storage } from '../ports/storage.ts';

export interface EffectPorts {
  readonly storage: Storage;
  readonly processes: Processes;
  readonly barrier: Barrier;
}

/** How long the nodes have for their flush, where nobody said. */
const FLUSH_MS_DEFAULT = 30_000;

/** One effect, ready to be done on the real world. */
export interface Job {
  /** Does it, and says how it ended. Never rejects: what was thrown is an unknown outcome. */
  readonly perform: () => Promise<CommandBody>;
  /** What to say when its time is up: nothing is known, and a final answer may still come. */
  readonly timedOut: (afterMs: number) => CommandBody;
}

export function jobOf(effect: Effect, ports: EffectPorts): Job {
  const { storage } = ports;
  switch (effect.kind) {
    case 'snapshot':
      return job(
        effect,
        () => snapshot(effect.mutation, effect.lift, storage),
        (answer) => ({
          type: 'snapshot_answered',
          mutation: effect.mutation.id,
          answer,
        }),
      );
    case 'halt':
      return job(
        effect,
        () => halt(effect.mutation, ports.barrier),
        (answer) => ({ type: 'halt_answered', mutation: effect.mutation.id, answer }),
      );
    case 'verify':
      return job(
        effect,
        () => ports.barrier.verify(effect.mutation.fence ?? 0, effect.mutation.hold === true),
        (answer) => ({ type: 'verify_answered', mutation: effect.mutation.id, answer }),
      );
    case 'withdraw':
      return job(
        effect,
        () => withdraw(effect.mutation, effect.close, storage),
        (answer) => ({
          type: 'withdraw_answered',
          mutation: effect.mutation.id,
          closed: namesOf(effect.close),
          answer,
        }),
      );
    case 'commit':
      return job(
        effect,
        () => commit(effect.mutation, effect.stop, effect.close, ports),
        (answer) => ({
          type: 'commit_answered',
          mutation: effect.mutation.id,
          closed: namesOf(effect.close),
          answer,
        }),
      );
    case 'rollback':
      return job(
        effect,
        () => rollback(effect.mutation, effect.lift, effect.close, ports),
        (answer) => ({
          type: 'rollback_answered',
          mutation: effect.mutation.id,
          attempt: effect.mutation.attempt,
          closed: namesOf(effect.close),
          answer,
        }),
      );
    case 'stop':
      return job(
        effect,
        () => ports.processes.stop(effect.mutation.id),
        (answer) => ({ type: 'stop_answered', mutation: effect.mutation.id, answer }),
      );
    case 'seal':
      return job(
        effect,
        () => storage.seal(effect.dataset.name, effect.sealed),
        (answer) => ({
          type: 'seal_answered',
          dataset: effect.dataset,
          sealed: effect.sealed,
          answer,
        }),
      );
    case 'destroy':
      return job(
        effect,
        () => storage.destroy(effect.target),
        (answer) => ({
          type: 'destroy_answered',
          target: effect.target,
          answer,
        }),
      );
  }
}

function namesOf(datasets: readonly Dataset[]): DatasetName[] {
  return datasets.map(({ name }) => name);
}

/** What log lines say of an effect: whose mutation it is for, where it is for one. */
export function aboutOf(effect: Effect): Readonly<Record<string, string>> {
  const { kind, subject } = effect;
  if (effect.kind === 'seal') return { effect: kind, subject };
  if (effect.kind === 'destroy') return { effect: kind, subject, mutation: effect.target.mutation };
  return { effect: kind, mutation: effect.mutation.id, ...traceFields(effect.mutation.traceparent) };
}

/** What an effect that threw is called: its outcome is unknown, and nobody has to know the storage to know what that means. */
const BROKEN_OFF: Readonly<Partial<Record<Effect['kind'], Code>>> = {
  halt: 'flush_failed',
  verify: 'barrier_broken',
  snapshot: 'snapshot_failed',
  rollback: 'rollback_failed',
  seal: 'seal_failed',
};

function job<T>(effect: Effect, run: () => Promise<Result<T, Refusal>>, say: (answer: Answer<T>) => CommandBody): Job {
  return {
    perform: async () => {
      try {
        const result = await run();
        return say(result.ok ? { kind: 'done', value: result.value } : { kind: 'refused', reason: result.error });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        return say({
          kind: 'unknown',
          reason: refusal(BROKEN_OFF[effect.kind] ?? 'internal', `The ${effect.kind} broke off: ${message}.`),
        });
      }
    },
    timedOut: (afterMs) =>
      say({
        kind: 'unknown',
        reason: refusal('storage_timeout', `The ${effect.kind} of ${effect.subject} did not end within ${afterMs} ms.`),
      }),
  };
}

export function propertiesOf(mutation: Mutation): SnapshotProperties {
  const { id, intent, node, mode, fence = 0 } = mutation;
  return { mutation: id, intent, node, mode, fence };
}

function halt(mutation: Mutation, barrier: Barrier): Promise<Result<readonly FlushedNode[], Refusal>> {
  const { fence: epoch = 0, participants: nodes = [], intent, flushMs = FLUSH_MS_DEFAULT } = mutation;
  return barrier.halt({ epoch, nodes, intent, flushMsMax: flushMs });
}

async function snapshot(
  mutation: Mutation,
  lift: readonly Dataset[],
  storage: Storage,
): Promise<Result<readonly Snapshot[], Refusal>> {
  const snapshots = mutation.snapshots.map(({ dataset, driver, name }) => ({ dataset, driver, name }));
  const taken = await storage.snapshot({
    mutation: mutation.id,
    snapshots,
    ...(mutation.recursive ? { recursive: true } : {}),
    properties: propertiesOf(mutation),
  });
  if (!taken.ok) return taken;
  const lifted = await setSeals(lift, false, storage);
  return lifted.ok ? taken : lifted;
}

async function withdraw(
  mutation: Mutation,
  close: readonly Dataset[],
  storage: Storage,
): Promise<Result<void, Refusal>> {
  const closed = await setSeals(close, true, storage);
  if (!closed.ok) return closed;
  return storage.discard(mutation.id, new Set(mutation.datasets.map(({ driver }) => driver)));
}

async function commit(
  mutation: Mutation,
  stop: boolean,
  close: readonly Dataset[],
  { storage, processes }: EffectPorts,
): Promise<Result<void, Refusal>> {
  const stopped = stop ? await processes.stop(mutation.id) : undefined;
  return stopped?.ok === false ? stopped : setSeals(close, true, storage);
}

/** The holder's processes first: nothing may write while the state goes back. */
async function rollback(
  mutation: Mutation,
  lift: readonly Dataset[],
  close: readonly Dataset[],
  { storage, processes }: EffectPorts,
): Promise<Result<readonly Evidence[], Refusal>> {
  const stopped = await processes.stop(mutation.id);
  if (!stopped.ok) return stopped;
  const lifted = await setSeals(lift, false, storage);
  if (!lifted.ok) return lifted;
  const evidence: Evidence[] = [];
  for (const taken of mutation.snapshots) {
    const { attempt } = mutation;
    const back = await storage.rollback({
      snapshot: taken,
      properties: propertiesOf(mutation),
      evidenceName: evidenceName(taken.name, attempt),
      attempt,
    });
    if (!back.ok) return back;
    evidence.push(back.value);
  }
  const closed = await setSeals(close, true, storage);
  return closed.ok ? ok(evidence) : closed;
}

async function setSeals(
  datasets: readonly Dataset[],
  sealed: boolean,
  storage: Storage,
): Promise<Result<void, Refusal>> {
  for (const { name } of datasets) {
    const done = await storage.seal(name, sealed);
    if (!done.ok) return done;
  }
  return ok(undefined);
}
