import type { Code } from '../base/codes.ts';
import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Dataset } from '../core/dataset.ts';
import type { Target } from '../core/event.ts';
import { inTheWayOf } from '../core/lock/lock.ts';
import { holdsLocks, type Mutation, type MutationId, type Stage } from '../core/mutation/mutation.ts';
import { exempt } from '../core/retention/pruning.ts';
import { type Candidate, condemn, type Condemned } from '../core/retention/retention.ts';
import type { Policy } from '../core/policy/policy.ts';
import type { Snapshot } from '../core/snapshot/snapshot.ts';
import type { LedgerRecord, MutationQuery } from '../ports/ledger.ts';
import type { Changes, RollbackPlan, Stored } from '../ports/storage.ts';
import type { Mesh } from './mesh/mesh.ts';
import { type Ask, requestOf } from './ask.ts';
import type { Engine, EngineOptions } from './engine.ts';
import { type Follow, following, type Heard } from './following.ts';
import { nextEvent, within } from './next-event.ts';

export interface Lock {
  readonly mutation: Mutation;
  /** For one that waits: whom it waits for. */
  readonly blockedBy: readonly MutationId[];
}

/** A dataset's part of what a mutation changed. */
export interface DatasetChanges extends Changes {
  readonly dataset: string;
  /** What the snapshot was compared with: the live state, a later snapshot's name, or the evidence's. */
  readonly comparedWith: string;
}

/** What is on the storage, with what the ledger knows of it. */
export interface KeptState extends Stored {
  readonly stage: Mutation['stage'] | undefined;
  readonly pinned: boolean;
}

export interface Pruned {
  readonly going: readonly Condemned[];
  /** What it frees, where the storage can tell. */
  readonly freesBytes?: number;
}

/** For so long a seal is waited for; after that whoever asked is told to look later. */
const SEAL_MS_MAX = 30_000;
/** Stages in which it is not known yet whether a mutation is cleared. */
const UNDECIDED: ReadonlySet<Stage> = new Set(['queued', 'halting', 'snapshotting', 'verifying']);

/** Everything the doors can ask of a controller: each method one use, built from decisions (engine), storage and ledger. */
export class Controller {
  readonly engine: Engine;
  /** Where the nodes' heartbeats arrive. */
  readonly mesh: Mesh;
  readonly #options: EngineOptions;

  constructor(engine: Engine, options: EngineOptions, mesh: Mesh) {
    this.engine = engine;
    this.mesh = mesh;
    this.#options = options;
  }

  /** The rules it was started with. */
  get policy(): Policy {
    return this.#options.policy;
  }

  /** The name and version this controller answers by. */
  get identity(): { readonly node: string; readonly version: string } {
    return { node: this.#options.node, version: this.#options.version };
  }

  /**
   * Asks for clearance, and waits until it is decided.
   *
   * @param begun told the mutation's id before the wait, so that a caller that goes away meanwhile can be reported
   * @returns the mutation cleared, or ended otherwise before that (its `reason` says why)
   */
  async request(ask: Ask, begun?: (id: MutationId) => void): Promise<Result<Mutation, Refusal>> {
    const usual = ask.mode === 'critical' && ask.datasets.length === 0;
    const located = await this.#locate(usual ? this.policy.criticalDatasets : ask.datasets);
    const id = this.engine.newId();
    const settled = this.engine.submit(
      {
        type: 'request',
        mutation: id,
        request: requestOf(ask, located.datasets, this.#options.node),
        ...(located.refused === undefined ? {} : { unlocated: located.refused }),
      },
      ({ stage }) => !UNDECIDED.has(stage),
    );
    begun?.(id);
    return required(await settled);
  }

  async renew(id: MutationId, fence: number): Promise<Result<Mutation, Refusal>> {
    return required(await this.engine.submit({ type: 'renew', mutation: id, fence }));
  }

  /** The holder of a clearance is back on a new connection. */
  async attach(id: MutationId, fence: number): Promise<Result<Mutation, Refusal>> {
    return required(await this.engine.submit({ type: 'attach', mutation: id, fence }));
  }

  /** The connection a mutation hung on has closed. Cannot be refused. */
  holderGone(id: MutationId): void {
    this.engine.tell({ type: 'holder_gone', mutation: id });
  }

  async commit(id: MutationId, fence: number): Promise<Result<Mutation, Refusal>> {
    const ended = (mutation: Mutation): boolean => mutation.stage !== 'cleared' && mutation.stage !== 'committing';
    return expectStage(await this.engine.submit({ type: 'commit', mutation: id, fence }, ended), 'committed');
  }

  /**
   * @param fence the holder's token; undefined: an operator asks
   * @param who which operator, where that is known
   */
  async rollback(id: MutationId, fence?: number, who?: string): Promise<Result<Mutation, Refusal>> {
    const ended = ({ stage }: Mutation): boolean =>
      stage === 'rolled_back' || stage === 'quarantined' || stage === 'cancelled';
    const body = {
      type: 'rollback',
      mutation: id,
      ...(fence === undefined ? {} : { fence }),
      ...(who === undefined ? {} : { who }),
    } as const;
    const result = required(await this.engine.submit(body, ended));
    return result.ok && result.value.stage === 'quarantined' ? err(reasonOf(result.value)) : result;
  }

  /** What a rollback would do, dataset by dataset, without doing it. */
  async plan(id: MutationId): Promise<Result<readonly RollbackPlan[], Refusal>> {
    const mutation = await this.#found(id);
    if (!mutation.ok) return mutation;
    const plans: RollbackPlan[] = [];
    for (const snapshot of mutation.value.snapshots) {
      const plan = await this.#options.storage.plan(snapshot);
      if (!plan.ok) return plan;
      const newer = await this.#newer(mutation.value);
      const blockers = newer.map((other) => ({
        kind: 'newer mutation',
        name: other.id,
        why: `${other.node} committed "${other.intent}" later; it would be undone too`,
      }));
      plans.push({ ...plan.value, blockers: [...plan.value.blockers, ...blockers] });
    }
    return ok(plans);
  }

  /** @param who see rollback */
  async resolve(id: MutationId, choice: 'commit' | 'rollback', who?: string): Promise<Result<Mutation, Refusal>> {
    const ended = ({ stage }: Mutation): boolean => stage !== 'committing' && stage !== 'rolling_back';
    const wanted = choice === 'commit' ? 'committed' : 'rolled_back';
    const body = { type: 'resolve', mutation: id, choice, ...(who === undefined ? {} : { who }) } as const;
    return expectStage(await this.engine.submit(body, ended), wanted);
  }

  /** @param who see rollback */
  async pin(id: MutationId, pinned: boolean, who?: string): Promise<Result<Mutation, Refusal>> {
    return required(
      await this.engine.submit({ type: 'pin', mutation: id, pinned, ...(who === undefined ? {} : { who }) }),
    );
  }

  /** Seals a dataset (true) or lifts its seal, and waits until the storage has done it. */
  async seal(target: string, sealed: boolean): Promise<Result<Dataset, Refusal>> {
    const { datasets, refused } = await this.#locate([target]);
    const [dataset] = datasets;
    if (refused !== undefined || dataset === undefined)
      return err(refused ?? refusal('dataset_missing', `${target} was not found.`));
    // Tried first, because a seal that cannot be enforced must not stand in the ledger as if it were.
    const settled = nextEvent(this.engine.feed, (record) => {
      const { event } = record;
      if (event.type !== 'sealed' && event.type !== 'unsealed' && event.type !== 'seal_refused') return undefined;
      if (event.dataset !== dataset.name) return undefined;
      return event.type === 'seal_refused' ? err(event.reason) : ok(dataset);
    });
    const before = this.engine.state.seals.get(dataset.name);
    const already = (before?.wanted ?? false) === sealed && (before?.settled ?? true);
    const asked = await this.engine.submit({ type: 'seal', dataset, sealed });
    const done = asked.ok && !already ? await within(SEAL_MS_MAX, settled.promise, this.#options.clock) : asked;
    settled.cancel();
    if (done !== undefined) return done.ok ? ok(dataset) : done;
    const message = `The storage has not done it yet; it is tried until it has. "hauki status" tells when ${target} is ${sealed ? 'sealed' : 'open'}.`;
    return err(refusal('storage_timeout', message));
  }

  find(id: MutationId): Promise<Mutation | undefined> {
    return this.engine.find(id);
  }

  recordsOf(id: MutationId): Promise<readonly LedgerRecord[]> {
    return this.#options.ledger.recordsOf(id);
  }

  /** Records after a cursor, at most `limit`; for whoever follows the ledger at its own pace. */
  records(after: number, limit: number): Promise<readonly LedgerRecord[]> {
    return this.#options.ledger.records(after, limit);
  }

  query(query: MutationQuery): Promise<readonly Mutation[]> {
    return this.#options.ledger.query(query);
  }

  countByStage(): ReturnType<EngineOptions['ledger']['countByStage']> {
    return this.#options.ledger.countByStage();
  }

  head(): ReturnType<EngineOptions['ledger']['head']> {
    return this.#options.ledger.head();
  }

  /** The ledger from a cursor on, then live: see `following`. */
  follow(follow: Follow): AsyncGenerator<Heard, void, undefined> {
    const { ledger, clock } = this.#options;
    return following({ ledger, clock, feed: this.engine.feed, find: (id) => this.find(id) }, follow);
  }

  /** Who holds what and who waits for whom. */
  locks(): Lock[] {
    const open = [...this.engine.state.mutations.values()];
    return open
      .filter((mutation) => holdsLocks(mutation) || mutation.stage === 'queued')
      .map((mutation) => ({
        mutation,
        blockedBy: mutation.stage === 'queued' ? inTheWayOf(mutation, open).map((other) => other.id) : [],
      }));
  }

  /**
   * What a mutation changed: its snapshot against the failed state a rollback kept, or against the next snapshot of the
   * dataset, or against what is there now.
   */
  async diff(id: MutationId): Promise<Result<readonly DatasetChanges[], Refusal>> {
    const mutation = await this.#found(id);
    if (!mutation.ok) return mutation;
    const changes: DatasetChanges[] = [];
    for (const snapshot of mutation.value.snapshots) {
      const to = await this.#after(mutation.value, snapshot);
      const diff = await this.#options.storage.diff(snapshot, to);
      if (!diff.ok) return diff;
      changes.push({ dataset: snapshot.dataset, comparedWith: to === 'live' ? 'live' : to.name, ...diff.value });
    }
    return ok(changes);
  }

  /** All of hauki's own on the storage, oldest first. */
  async kept(kind?: Stored['kind']): Promise<KeptState[]> {
    const all = await this.#options.storage.list();
    const stored = kind === undefined ? all : all.filter((one) => one.kind === kind);
    // Thousands of snapshots may belong to a few mutations, and each is asked for once.
    const owners = new Map<MutationId, Mutation | undefined>();
    for (const { mutation } of stored) if (!owners.has(mutation)) owners.set(mutation, await this.find(mutation));
    const kept = stored.map((one) => {
      const mutation = owners.get(one.mutation);
      return { ...one, stage: mutation?.stage, pinned: mutation?.pinned ?? false };
    });
    return kept.toSorted((a, b) => a.createdAt - b.createdAt);
  }

  /** What is on the storage, told by it alone: for whoever counts it, and need not look each up in the ledger. */
  stored(): Promise<readonly Stored[]> {
    return this.#options.storage.list();
  }

  /** What retention lets go of, as a person asks for it; with `dryRun` only says so. */
  async prune(dryRun: boolean): Promise<Result<Pruned, Refusal>> {
    const { candidates, going } = await this.#beyondRetention(true);
    const freesBytes = await this.#options.storage.reclaimable(going.map(({ target }) => target));
    const pruned = { going, ...(freesBytes === undefined ? {} : { freesBytes }) };
    if (dryRun || going.length === 0) return ok(pruned);
    const asked = await this.engine.submit({ type: 'prune', candidates, insist: true });
    return asked.ok ? ok(pruned) : asked;
  }

  /** What retention lets go of by itself, again and again. Never rejects: what failed is tried the next time. */
  async pruneByItself(): Promise<void> {
    try {
      const { candidates, going } = await this.#beyondRetention(false);
      if (going.length > 0) await this.engine.submit({ type: 'prune', candidates });
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'retention could not look at the storage');
    }
  }

  async #beyondRetention(insist: boolean): Promise<{ candidates: readonly Candidate[]; going: readonly Condemned[] }> {
    const candidates = (await this.kept()).map(candidateOf);
    const at = this.#options.clock.now();
    const except = exempt(this.engine.state, at, insist);
    return { candidates, going: condemn(candidates, this.#options.policy.retention, at, except) };
  }

  /** Removes the evidence that the rollbacks of one mutation kept. */
  async removeEvidence(id: MutationId): Promise<Result<readonly Target[], Refusal>> {
    const stored = (await this.kept('evidence')).filter((one) => one.mutation === id);
    if (stored.length === 0) return err(refusal('evidence_unknown', `No evidence of mutation ${id} is kept.`));
    const targets = stored.map(targetOf);
    for (const target of targets) {
      const gone = nextEvent(this.engine.feed, (record) => {
        const { event } = record;
        if (event.type !== 'destroyed' && event.type !== 'destroy_refused') return undefined;
        if (event.target.name !== target.name) return undefined;
        return event.type === 'destroyed' ? ok(target) : err(event.reason);
      });
      const asked = await this.engine.submit({ type: 'destroy', target, why: 'asked for by an operator' });
      if (!asked.ok) {
        gone.cancel();
        return asked;
      }
      const result = await gone.promise;
      if (!result.ok) return result;
    }
    return ok(targets);
  }

  async #locate(targets: readonly string[]): Promise<{ datasets: readonly Dataset[]; refused?: Refusal }> {
    const datasets: Dataset[] = [];
    let refused: Refusal | undefined;
    for (const target of targets) {
      const located = await this.#options.storage.locate(target);
      if (located?.ok) datasets.push(located.value);
      else {
        datasets.push({ name: target, driver: 'none' });
        refused ??= located?.error ?? refusal('dataset_missing', `No storage here knows a dataset "${target}".`);
      }
    }
    return refused === undefined ? { datasets } : { datasets, refused };
  }

  async #found(id: MutationId): Promise<Result<Mutation, Refusal>> {
    const mutation = await this.find(id);
    return mutation === undefined ? err(refusal('mutation_unknown', `There is no mutation ${id}.`)) : ok(mutation);
  }

  async #newer(mutation: Mutation): Promise<Mutation[]> {
    if (mutation.stage !== 'committed') return [];
    const newer = await this.#options.ledger.newerOverlapping(mutation.id, mutation.datasets);
    return newer.filter((other) => other.stage === 'committed');
  }

  /** What the state looked like when the mutation was over: the nearest thing that is kept. */
  async #after(mutation: Mutation, snapshot: Snapshot): Promise<Parameters<EngineOptions['storage']['diff']>[1]> {
    const evidence = mutation.evidence.findLast((one) => one.dataset === snapshot.dataset);
    if (evidence !== undefined) return evidence;
    const stored = new Set((await this.#options.storage.list()).map((one) => one.name));
    for (const other of await this.#options.ledger.newerOverlapping(mutation.id, [{ name: snapshot.dataset }])) {
      const next = other.snapshots.find((one) => one.dataset === snapshot.dataset && stored.has(one.name));
      if (next !== undefined && other.clearedAt !== undefined) return next;
    }
    return 'live';
  }
}

/** Why a mutation ended as it did; every mutation that was denied, cancelled or quarantined has one. */
export function reasonOf(mutation: Mutation, otherwise: Code = 'internal'): Refusal {
  return mutation.reason ?? refusal(otherwise, `Mutation ${mutation.id} is ${mutation.stage}.`);
}

function targetOf({ kind, mutation, dataset, driver, name, restsOn }: Stored): Target {
  return { kind, mutation, dataset, driver, name, ...(restsOn === undefined ? {} : { restsOn }) };
}

function candidateOf(kept: KeptState): Candidate {
  return { target: targetOf(kept), createdAt: kept.createdAt, pinned: kept.pinned, stage: kept.stage };
}

function required(result: Result<Mutation | undefined, Refusal>): Result<Mutation, Refusal> {
  if (!result.ok) return result;
  return result.value === undefined
    ? err(refusal('internal', 'The engine answered without the mutation that was asked about.'))
    : ok(result.value);
}

function expectStage(
  result: Result<Mutation | undefined, Refusal>,
  wanted: Mutation['stage'],
): Result<Mutation, Refusal> {
  const one = required(result);
  return one.ok && one.value.stage !== wanted ? err(reasonOf(one.value, 'stage_wrong')) : one;
}
