import type { Refusal } from '../src/base/refusal.ts';
import { canonicalJson } from '../src/base/canonical.ts';
import type { Result } from '../src/base/result.ts';
import type { CommandBody } from '../src/core/command.ts';
import { contains, type DatasetName } from '../src/core/dataset.ts';
import type { Event } from '../src/core/event.ts';
import { archive, evolve } from '../src/core/evolve.ts';
import { datasetNames, holdsLocks, isFinal, type Mutation, type MutationId } from '../src/core/mutation/mutation.ts';
import { EMPTY, type State } from '../src/core/state.ts';
import type { Engine } from '../src/engine/engine.ts';
import { judgeEnd } from './ending.ts';
import { conflicting, describe, FROM, type MutationEvent, NOT_YET, overlapping } from './facts.ts';
import { alike, comparable } from './likeness.ts';
import { differences, NOBODY } from './pool.ts';
import type { World } from './world.ts';

export interface Violation {
  /** As design.md counts them; 0 for what stands between the lines. */
  readonly invariant: number;
  readonly words: string;
}

/** How long after a closed connection a caller's mutation may still stand, ms: a slow append twice over, and more. */
const GONE_MS_MAX = 12_000;
/** Whoever has been awake for so long, ms, has looked at its lease. */
const AWAKE_MS = 100;

/**
 * Watches everything that happens and holds it against design.md. It keeps a state of its own, folded from nothing but what
 * became durable, and never asks the engine.
 */
export class Invariants {
  violation: Violation | undefined;
  readonly #world: World;
  #mirror: State = EMPTY;
  #appends = 0;
  readonly #names = new Set<string>();
  /** Effects under way, by subject. */
  readonly #underWay = new Map<string, number>();
  readonly #rollingBack = new Set<MutationId>();
  readonly #readBack = new Set<MutationId>();
  readonly #wrote = new Set<MutationId>();
  #tending = false;
  /** Requested since the controller started. */
  readonly #fresh = new Set<MutationId>();
  /** Whose callers the controller knows to be gone, and since when; or that did not come back after a restart. */
  readonly #gone = new Map<MutationId, { readonly at: number; readonly failures: number }>();

  constructor(world: World) {
    this.#world = world;
  }

  mutations(): Mutation[] {
    return [...this.#mirror.mutations.values()];
  }

  violated(invariant: number, words: string): void {
    if (this.violation !== undefined) return;
    this.violation = { invariant, words };
    this.#world.say(`VIOLATION of invariant ${invariant}: ${words}`);
  }

  controllerBegins(): void {
    this.controllerEnds();
  }

  /** What a dead controller was doing, it does no more. */
  controllerEnds(): void {
    this.#underWay.clear();
    this.#tending = false;
    this.#rollingBack.clear();
    this.#gone.clear();
    this.#fresh.clear();
  }

  controllerServes(engine: Engine): void {
    this.#same(engine.state, archive(this.#mirror), 'the state a controller came up with and the replayed ledger');
    this.#world.barriers.controllerServes();
    const { timeline, disk, policy } = this.#world;
    for (const { id, stage, attached } of this.#mirror.mutations.values()) {
      if (stage === 'cleared' && attached)
        this.#gone.set(id, { at: timeline.now + policy.reattachMs, failures: disk.failures });
    }
  }

  /** A batch became durable. */
  recorded(events: readonly Event[], touched: readonly Mutation[], state: State): void {
    for (const event of events) {
      this.#world.say(`ledger: ${describe(event)}`);
      if ('mutation' in event) this.#judge(event, this.#mirror.mutations.get(event.mutation));
      if (event.type === 'reconciled') this.#judgeFindings(event);
      this.#mirror = evolve(this.#mirror, [event]);
      if ('mutation' in event) this.#judgeAfter(event, this.#mirror.mutations.get(event.mutation));
    }
    this.#appends += 1;
    // All of it is compared at the end; now and then also on the way, so that the trace shows where it went wrong.
    if (this.#appends % 16 !== 0) return;
    for (const mutation of touched) {
      if (!alike(mutation, this.#mirror.mutations.get(mutation.id))) {
        this.violated(7, `The projection of ${mutation.id} is not what its events say.`);
      }
    }
    this.#same(state, archive(this.#mirror), 'the live state and the replayed ledger');
  }

  #judge(event: MutationEvent, mutation: Mutation | undefined): void {
    const { type } = event;
    // Nothing is rebuilt while a controller runs.
    if (type === 'pinned' || type === 'rebuilt') return;
    if (type === 'requested') {
      if (mutation !== undefined) this.violated(7, `${event.mutation} was requested twice.`);
      this.#fresh.add(event.mutation);
      return;
    }
    if (mutation === undefined || !FROM[type].includes(mutation.stage)) {
      this.violated(6, `${event.mutation} was ${mutation?.stage ?? 'unknown'} when it became ${type}.`);
      return;
    }
    if (type === 'holder_back') this.#gone.delete(mutation.id);
    if (type === 'cleared' && !this.#fresh.has(mutation.id)) {
      this.violated(
        6,
        `${mutation.id} was cleared by another controller than the one it asked, so nobody waits for it.`,
      );
    }
    if (type === 'halt_started' || (type === 'snapshot_started' && mutation.stage === 'queued'))
      this.#judgeStart(event, mutation);
    if (type === 'snapshot_started') this.#judgeNames(event, mutation);
    if (type === 'rollback_started' && mutation.stage === 'committed') this.#judgeUndo(mutation);
    const reason = 'reason' in event ? event.reason?.code : undefined;
    if (mutation.stage === 'cleared' && reason === 'lease_expired') this.#judgeExpiry(event, mutation);
  }

  /** It gets its locks. */
  #judgeStart(event: Extract<Event, { type: 'snapshot_started' | 'halt_started' }>, mutation: Mutation): void {
    if (event.fence <= this.#mirror.counters.fence)
      this.violated(3, `${mutation.id} was given fence ${event.fence}, which is not new.`);
    for (const { name, fence } of this.#world.pool.frozen.values()) {
      if (event.fence <= fence)
        this.violated(3, `${mutation.id} was given fence ${event.fence}; ${name} has ${fence}.`);
    }
    this.#judgeLocks(mutation);
    for (const other of this.#mirror.mutations.values()) {
      if (other.id === mutation.id) break;
      if (other.stage === 'queued' && conflicting(other, mutation))
        this.violated(0, `${mutation.id} overtook ${other.id}, which asked before.`);
    }
  }

  #judgeNames(event: Extract<Event, { type: 'snapshot_started' }>, mutation: Mutation): void {
    if (mutation.fence !== undefined && event.fence !== mutation.fence)
      this.violated(3, `${mutation.id} was given fence ${mutation.fence}, and then ${event.fence}.`);
    for (const { name } of event.snapshots) {
      if (this.#names.has(name)) this.violated(0, `The name ${name} was given twice.`);
      this.#names.add(name);
    }
  }

  /** What a start found is true, and news. */
  #judgeFindings({ unknown, missing, fenceFloor }: Extract<Event, { type: 'reconciled' }>): void {
    const { findings, counters, mutations } = this.#mirror;
    const { frozen } = this.#world.pool;
    if (canonicalJson({ unknown, missing }) === canonicalJson(findings) && (fenceFloor ?? 0) <= counters.fence)
      this.violated(0, 'What was found is put on record once more.');
    for (const name of unknown.names) {
      if (mutations.has(frozen.get(name)?.mutation ?? '')) this.violated(0, `${name} is called unknown, and is not.`);
    }
    for (const { name } of missing.snapshots)
      if (frozen.has(name)) this.violated(0, `${name} is called gone, and is there.`);
  }

  #judgeLocks(mutation: Mutation): void {
    for (const other of this.#mirror.mutations.values()) {
      if (other.id === mutation.id || !holdsLocks(other) || !conflicting(other, mutation)) continue;
      const both = `${datasetNames(mutation).join(', ')} while ${other.id} (${other.stage}) holds ${datasetNames(other).join(', ')}`;
      this.violated(2, `${mutation.id} got ${both}.`);
    }
  }

  #judgeUndo(mutation: Mutation): void {
    this.#judgeLocks(mutation);
    let newer = false;
    for (const other of this.#mirror.mutations.values()) {
      if (newer && other.stage === 'committed' && overlapping(other, mutation)) {
        this.violated(0, `The undo of ${mutation.id} takes the newer ${other.id} with it.`);
      }
      newer ||= other.id === mutation.id;
    }
    for (const { name } of mutation.snapshots) {
      if (this.#world.pool.frozen.get(name)?.content === undefined)
        this.violated(0, `The undo of ${mutation.id} began, and ${name} is gone.`);
      if (this.#mirror.condemned.has(name))
        this.violated(0, `The undo of ${mutation.id} began while ${name} is being destroyed.`);
    }
  }

  #judgeExpiry(event: MutationEvent, mutation: Mutation): void {
    const told = this.#gone.get(mutation.id);
    const { timeline, disk } = this.#world;
    if (told !== undefined && told.failures === disk.failures && timeline.now - told.at > GONE_MS_MAX) {
      this.violated(
        0,
        `The caller of ${mutation.id} went away ${timeline.now - told.at} ms ago, and only the end of its lease was noticed.`,
      );
    }
    if (event.mono < (mutation.expiresMono ?? 0) + this.#world.policy.graceMs) {
      this.violated(0, `The lease of ${mutation.id} was ended before its time and the grace.`);
    }
    for (const { name, working, stalledUntil } of this.#world.callers) {
      const runs = [...this.#world.commands].some((command) => command.begun && command.mutation === working);
      if (working === mutation.id && runs && stalledUntil + AWAKE_MS < timeline.now)
        this.violated(3, `The lease of ${mutation.id} is over, and ${name}, wide awake, still works under it.`);
    }
  }

  #judgeAfter(event: MutationEvent, mutation: Mutation | undefined): void {
    if (mutation === undefined) return;
    if (event.type === 'cleared') this.#judgeClearance(mutation);
    if (event.type === 'rolled_back') this.#judgeRestored(mutation);
    if (event.type === 'commit_started' || event.type === 'committed') this.#world.barriers.committed(mutation.id);
    if (
      event.type === 'committed' &&
      [...this.#world.commands].some((command) => command.begun && command.mutation === mutation.id)
    ) {
      this.violated(2, `${mutation.id} was committed and its locks given away while its command still runs.`);
    }
    if (event.type === 'denied' || event.type === 'cancelled') {
      if (this.#wrote.has(mutation.id)) this.violated(9, `${mutation.id} was ${event.type}, but its command wrote.`);
      const left = this.#world.pool.frozenOf(mutation.id, 'snapshot');
      if (left.length > 0)
        this.violated(0, `${mutation.id} was ${event.type}, but left ${left.map(({ name }) => name).join(', ')}.`);
    }
    if (isFinal(mutation) && event.type !== 'pinned' && (this.#underWay.get(mutation.id) ?? 0) > 0) {
      this.violated(6, `${mutation.id} became ${mutation.stage} while the storage was still at work for it.`);
    }
  }

  #judgeClearance(mutation: Mutation): void {
    const { pool } = this.#world;
    if (mutation.mode === 'critical') this.#world.barriers.cleared(mutation);
    if (!this.#readBack.has(mutation.id))
      this.violated(1, `${mutation.id} was cleared, but its snapshots were not read back.`);
    for (const { name, dataset } of mutation.snapshots) {
      const content = pool.frozen.get(name)?.content;
      if (content === undefined) this.violated(1, `${mutation.id} was cleared, but ${name} does not exist.`);
      else if (differences(content, pool.contentOf(dataset)).length > 0)
        this.violated(1, `${name} is not the state ${mutation.id} begins with.`);
    }
    for (const sealed of pool.sealed) {
      if (datasetNames(mutation).some((name) => name === sealed || contains(sealed, name))) {
        this.violated(0, `${mutation.id} was cleared, but ${sealed} is read-only.`);
      }
    }
  }

  #judgeRestored(mutation: Mutation): void {
    const { pool } = this.#world;
    for (const { name, dataset } of mutation.snapshots) {
      const content = pool.frozen.get(name)?.content;
      const changed = content === undefined ? ['everything'] : differences(content, pool.contentOf(dataset));
      if (changed.length > 0)
        this.violated(6, `${mutation.id} was rolled back, but ${changed.join(', ')} differ from ${name}.`);
    }
    for (const { name } of mutation.evidence.slice(-mutation.snapshots.length)) {
      if (!pool.frozen.has(name)) this.violated(0, `The evidence ${name} of ${mutation.id} does not exist.`);
    }
  }

  /** A call on the storage or on processes begins. */
  effectBegins(subject: string): void {
    const running = this.#underWay.get(subject) ?? 0;
    if (running > 0) this.violated(0, `Two effects for ${subject} run at once.`);
    this.#underWay.set(subject, running + 1);
    const mutation = this.#mirror.mutations.get(subject);
    const known =
      subject.includes(' ') || (mutation !== undefined && holdsLocks(mutation) && mutation.stage !== 'cleared');
    if (!known)
      this.violated(6, `The storage is at work for ${subject}, which is ${mutation?.stage ?? 'not on record'}.`);
  }

  effectEnds(subject: string): void {
    this.#underWay.set(subject, (this.#underWay.get(subject) ?? 1) - 1);
    this.#rollingBack.delete(subject);
  }

  /** The storage is told how mutations stand: nothing but the truth, all that is open, and one telling at a time. */
  tendBegins(open: readonly Mutation[], ended: readonly Mutation[]): void {
    if (this.#tending) this.violated(0, 'The storage is told how mutations stand while it is being told already.');
    this.#tending = true;
    const told = new Map([...open, ...ended].map(({ id, stage }) => [id, stage]));
    for (const [id, stage] of told) {
      const honest = this.#mirror.mutations.get(id)?.stage;
      if (stage !== honest)
        this.violated(0, `The storage is told that ${id} is ${stage}; it is ${honest ?? 'unknown'}.`);
    }
    const untold = this.mutations().find((mutation) => !isFinal(mutation) && !told.has(mutation.id));
    if (untold !== undefined) this.violated(0, `The storage is not told that ${untold.id} is ${untold.stage}.`);
    if (open.some(isFinal) || !ended.every(isFinal))
      this.violated(0, 'The storage is told of ended ones as open, or the other way round.');
  }

  tendEnds(): void {
    this.#tending = false;
  }

  readBack(mutation: MutationId): void {
    this.#readBack.add(mutation);
  }

  rollbackBegins(mutation: MutationId, dataset: DatasetName): void {
    this.#rollingBack.add(mutation);
    const running = [...this.#world.commands].filter(
      (command) => command.begun && command.mutation === mutation && command.stalledUntil <= this.#world.timeline.now,
    );
    if (running.length > 0) this.violated(0, `${dataset} is rolled back under the running command of ${mutation}.`);
  }

  writes(id: MutationId, path: string, by: 'command' | 'storage'): void {
    const mutation = this.#mirror.mutations.get(id);
    const stage = mutation?.stage ?? 'unknown';
    const holds =
      mutation !== undefined && holdsLocks(mutation) && datasetNames(mutation).some((name) => contains(name, path));
    if (by === 'storage') {
      if (!holds || stage === 'cleared') this.violated(2, `The storage writes ${path} for ${id}, which is ${stage}.`);
      return;
    }
    this.#wrote.add(id);
    if (!holds || NOT_YET.has(stage)) this.violated(9, `A command writes ${path} under ${id}, which is ${stage}.`);
    if (this.#rollingBack.has(id)) this.violated(0, `A command writes ${path} while ${id} is rolled back.`);
  }

  discards(mutation: MutationId, name: string): void {
    const stage = this.#mirror.mutations.get(mutation)?.stage;
    if (stage !== 'withdrawing')
      this.violated(8, `${name} was discarded, though ${mutation} is ${stage ?? 'unknown'}.`);
  }

  destroyBegins(name: string): void {
    for (const { restsOn, name: evidence } of this.#mirror.condemned.values())
      if (restsOn === name) this.violated(0, `${name} is to go before ${evidence}, which rests on it.`);
  }

  destroys(id: MutationId, name: string): void {
    const mutation = this.#mirror.mutations.get(id);
    if (id === NOBODY || mutation === undefined)
      this.violated(8, `${name} was destroyed, which the ledger does not know.`);
    else if (mutation.pinned) this.violated(8, `${name} was destroyed, though ${id} is pinned.`);
    else if (!isFinal(mutation)) this.violated(8, `${name} was destroyed, though ${id} is ${mutation.stage}.`);
    if (!this.#mirror.condemned.has(name)) this.violated(8, `${name} was destroyed, and nobody had said so.`);
  }

  sealed(dataset: DatasetName, sealed: boolean): void {
    if (!sealed) return;
    for (const mutation of this.#mirror.mutations.values()) {
      if (mutation.stage !== 'cleared' && !this.#rollingBack.has(mutation.id)) continue;
      if (datasetNames(mutation).some((name) => name === dataset || contains(dataset, name))) {
        this.violated(0, `${dataset} was sealed under ${mutation.id}, which is ${mutation.stage}.`);
      }
    }
  }

  toldGone(mutation: MutationId): void {
    const { timeline, disk } = this.#world;
    if (!this.#gone.has(mutation)) this.#gone.set(mutation, { at: timeline.now, failures: disk.failures });
  }

  answered(body: CommandBody, result: Result<Mutation | undefined, Refusal>): void {
    if (!result.ok || result.value === undefined) return;
    const mutation = this.#mirror.mutations.get(result.value.id);
    if (mutation === undefined || mutation.stage !== result.value.stage) {
      const durable = mutation?.stage ?? 'unknown';
      this.violated(6, `A caller was told ${result.value.id} is ${result.value.stage}; the ledger says ${durable}.`);
    }
    if ('fence' in body && body.fence !== undefined && body.fence !== mutation?.fence) {
      this.violated(
        3,
        `A ${body.type} of ${result.value.id} with fence ${body.fence} was accepted; it holds ${mutation?.fence ?? 'none'}.`,
      );
    }
  }

  /** The storm is over, everybody is gone, and time has passed. */
  async end(): Promise<void> {
    await judgeEnd(this.#world, this.#mirror, (invariant, words) => this.violated(invariant, words));
  }

  #same(one: State, other: State, what: string): void {
    const a = comparable(one);
    const b = comparable(other);
    if (a !== b) this.violated(7, `Not alike: ${what}.\n  ${a}\n  ${b}`);
  }
}
