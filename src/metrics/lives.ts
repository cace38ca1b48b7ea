import { Counter, Histogram, type Registry } from 'prom-client';
import type { DriverName } from '../core/dataset.ts';
import type { Event } from '../core/event.ts';
import type { Mode, Mutation, MutationId } from '../core/mutation/mutation.ts';
import type { LedgerRecord } from '../ports/ledger.ts';

/** Upper bounds in seconds: from what a machine does by itself to what people wait for. */
const SHORT = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const WAIT = [0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const WORK = [0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400, 86_400];

const MODES: readonly Mode[] = ['standard', 'critical'];
const OUTCOMES = ['committed', 'rolled_back', 'quarantined', 'denied', 'cancelled'] as const;
/** Those of this version's storage; others are counted from their first rollback on. */
const DRIVERS = ['zfs', 'btrfs', 'directory'] as const;
/** What a barrier comes to; `other` is whatever ended its mutation meanwhile. */
const BARRIER_OUTCOMES = ['verified', 'node_lost', 'flush_failed', 'barrier_broken', 'other'] as const;

/** What is remembered of a mutation while it is open. */
interface Life {
  readonly mode: Mode;
  /** Of the first of its datasets: they rarely differ. */
  readonly driver: DriverName;
  /** When it last took each step, by the type of its event; monotonic ms. What came before this start is not there. */
  readonly steps: Map<Event['type'], number>;
}

/** Events about one mutation that happen to it. What an audit or a rebuild found out about the past is none. */
type LifeEvent = Exclude<Extract<Event, { mutation: MutationId }>, { type: 'rebuilt' }>;

/**
 * Counts and times mutations by what is recorded of them. Times are differences of the controller's monotonic clock, and so only those
 * of steps that both happened since it started.
 */
export class Lives {
  readonly #lives = new Map<MutationId, Life>();
  readonly #open: () => ReadonlyMap<MutationId, Mutation>;
  readonly #meters: ReturnType<typeof metersIn>;

  /** @param open the mutations that are not final, as the engine has them: some were asked for before anybody counted */
  constructor(registry: Registry, open: () => ReadonlyMap<MutationId, Mutation>) {
    this.#open = open;
    this.#meters = metersIn(registry);
    for (const [id, mutation] of open()) this.#lives.set(id, lifeOf(mutation));
  }

  hear({ event }: LedgerRecord): void {
    if (event.type === 'access_denied') this.#meters.refused.inc({ code: event.code }, event.times);
    if (!('mutation' in event) || event.type === 'rebuilt') return;
    const life = this.#lifeOf(event);
    if (life === undefined) return;
    this.#measure(life, event);
    life.steps.set(event.type, event.mono);
    if (isLast(event)) this.#lives.delete(event.mutation);
  }

  #lifeOf(event: LifeEvent): Life | undefined {
    const known = this.#lives.get(event.mutation);
    if (known !== undefined) return known;
    // One that ended, and is rolled back now, is open again. A pin on it is nothing that happens to it.
    const about = event.type === 'requested' ? event.request : this.#open().get(event.mutation);
    if (about === undefined) return undefined;
    const life = lifeOf(about);
    this.#lives.set(event.mutation, life);
    return life;
  }

  #measure(life: Life, event: LifeEvent): void {
    const { mode, driver, steps } = life;
    const meters = this.#meters;
    const since = (from: Event['type'], observe: (seconds: number) => void): void => {
      const begun = steps.get(from);
      if (begun !== undefined) observe(Math.max(0, event.mono - begun) / 1_000);
    };
    const locked = (): void => since('requested', (s) => meters.lockWait.observe({ mode, result: 'granted' }, s));
    switch (event.type) {
      case 'halt_started':
        locked();
        break;
      case 'flushed':
        since('halt_started', (s) => meters.phase.observe({ phase: 'flush' }, s));
        for (const { tookMs } of event.nodes) meters.nodeFlush.observe(tookMs / 1_000);
        break;
      case 'snapshot_started':
        if (mode === 'standard') locked();
        break;
      case 'master_taken':
        since('snapshot_started', (s) => {
          meters.snapshot.observe({ driver }, s);
          meters.phase.observe({ phase: 'snapshot' }, s);
        });
        break;
      case 'cleared':
        if (mode === 'standard') since('snapshot_started', (s) => meters.snapshot.observe({ driver }, s));
        else {
          since('master_taken', (s) => meters.phase.observe({ phase: 'verify' }, s));
          meters.barriers.inc({ outcome: 'verified' });
        }
        since('requested', (s) => meters.clearance.observe({ mode }, s));
        break;
      case 'denied':
      case 'cancelled':
        this.#turnedAway(life, event, since);
        break;
      case 'committed':
        since('cleared', (s) => meters.work.observe({ mode, outcome: 'committed' }, s));
        break;
      case 'rolled_back':
      case 'quarantined':
        since('rollback_started', (s) => meters.rollback.observe({ driver, outcome: event.type }, s));
        // A person may resolve it otherwise, and what comes of that is no rollback.
        steps.delete('rollback_started');
        since('cleared', (s) => meters.work.observe({ mode, outcome: event.type }, s));
        break;
      default:
    }
    const outcome = OUTCOMES.find((one) => one === event.type);
    if (outcome !== undefined) meters.mutations.inc({ mode, outcome });
  }

  #turnedAway(
    { mode, steps }: Life,
    { type, reason }: Extract<LifeEvent, { type: 'denied' | 'cancelled' }>,
    since: (from: Event['type'], observe: (seconds: number) => void) => void,
  ): void {
    const meters = this.#meters;
    if (type === 'denied') meters.denials.inc({ code: reason.code });
    if (steps.has('halt_started')) {
      meters.barriers.inc({ outcome: BARRIER_OUTCOMES.find((one) => one === reason.code) ?? 'other' });
    } else if (!steps.has('snapshot_started') && ['lock_timeout', 'cancelled'].includes(reason.code)) {
      since('requested', (s) => meters.lockWait.observe({ mode, result: 'gave_up' }, s));
    }
  }
}

function lifeOf({ mode, datasets }: Pick<Mutation, 'mode' | 'datasets'>): Life {
  return { mode, driver: datasets[0]?.driver ?? 'none', steps: new Map() };
}

/** Nothing more is expected to happen to it. One that is undone after its commit begins another life. */
function isLast({ type }: LifeEvent): boolean {
  return type === 'committed' || type === 'rolled_back' || type === 'denied' || type === 'cancelled';
}

function metersIn(registry: Registry) {
  const registers = [registry];
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[], buckets: number[]) =>
    new Histogram({ name, help, labelNames, buckets, registers });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames, registers });

  const mutations = counter(
    'hauki_mutations_total',
    'Mutations by what they came to. One that is quarantined and then resolved, or undone after its commit, comes to two outcomes.',
    ['mode', 'outcome'],
  );
  for (const mode of MODES) for (const outcome of OUTCOMES) mutations.inc({ mode, outcome }, 0);
  const barriers = counter('hauki_barriers_total', 'Barriers by what they came to.', ['outcome']);
  for (const outcome of BARRIER_OUTCOMES) barriers.inc({ outcome }, 0);

  const rollback = histogram(
    'hauki_rollback_duration_seconds',
    "From a rollback's begin until the state was compared with the snapshot, or was quarantined.",
    ['driver', 'outcome'],
    WORK,
  );
  // A series that begins with its first failure has not increased: the alert would miss just that one.
  for (const driver of DRIVERS)
    for (const outcome of ['rolled_back', 'quarantined'] as const) rollback.zero({ driver, outcome });

  return {
    mutations,
    barriers,
    rollback,
    denials: counter('hauki_denials_total', 'Mutations that were denied, by error code.', ['code']),
    refused: counter('hauki_requests_refused_total', 'Requests that a door turned away, by error code.', ['code']),
    clearance: histogram(
      'hauki_clearance_duration_seconds',
      'From the request to the clearance, of those that were cleared.',
      ['mode'],
      WAIT,
    ),
    work: histogram('hauki_mutation_duration_seconds', 'From the clearance to the outcome.', ['mode', 'outcome'], WORK),
    lockWait: histogram(
      'hauki_lock_wait_duration_seconds',
      'From the request until its locks were granted, or it gave up waiting for them.',
      ['mode', 'result'],
      WAIT,
    ),
    snapshot: histogram(
      'hauki_snapshot_duration_seconds',
      'From naming a snapshot until it was read back.',
      ['driver'],
      SHORT,
    ),
    phase: histogram(
      'hauki_barrier_phase_duration_seconds',
      'Barriers: until all nodes had flushed, the snapshot was read back, all had said whether they held.',
      ['phase'],
      SHORT,
    ),
    nodeFlush: histogram(
      'hauki_node_flush_duration_seconds',
      "From HALT to a node's word that it has flushed, each node of each barrier.",
      [],
      SHORT,
    ),
  };
}
