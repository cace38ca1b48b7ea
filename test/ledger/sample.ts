import type { Event } from '../../src/core/event.ts';
import type { Mutation, MutationRequest, Stage } from '../../src/core/mutation/mutation.ts';
import { isFinal } from '../../src/core/mutation/mutation.ts';
import { EMPTY, type State } from '../../src/core/state.ts';
import type { Ledger, LedgerRecord } from '../../src/ports/ledger.ts';

/** 2026-01-01T00:00:00Z, ms. */
const EPOCH = 1_767_225_600_000;

/** The n-th mutation's id: UUIDv7 in shape, sorting by n. */
export function sampleId(n: number): string {
  return `01890000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
}

/** A mutation built by hand, n-th in its ledger, one second after the one before. */
export function sampleMutation(n: number, overrides: Partial<Mutation> = {}): Mutation {
  return {
    id: sampleId(n),
    node: 'hauki-crm',
    intent: `change number ${n}`,
    datasets: [{ name: `tank/state/${n}`, driver: 'memory' }],
    mode: 'standard',
    ttlMs: 600_000,
    waitMs: 30_000,
    onExpiry: 'rollback',
    attached: false,
    stage: 'queued',
    requestedAt: EPOCH + n * 1_000,
    waitUntilMono: n * 1_000 + 30_000,
    snapshots: [],
    attempt: 0,
    evidence: [],
    pinned: false,
    ...overrides,
  };
}

export function onDatasets(...names: readonly string[]): Pick<Mutation, 'datasets'> {
  return { datasets: names.map((name) => ({ name, driver: 'memory' })) };
}

export function requestedEvent(mutation: Mutation): Event {
  const { node, intent, datasets, mode, ttlMs, waitMs, onExpiry, attached } = mutation;
  const request: MutationRequest = { node, intent, datasets, mode, ttlMs, waitMs, onExpiry, attached };
  return { type: 'requested', at: mutation.requestedAt, mono: 0, mutation: mutation.id, request };
}

export function committedEvent(mutation: Mutation): Event {
  return { type: 'committed', at: mutation.requestedAt + 500, mono: 500, mutation: mutation.id, by: 'holder' };
}

export function stateOf(mutations: readonly Mutation[], rest: Partial<State> = {}): State {
  const open = mutations.filter((mutation) => !isFinal(mutation));
  return { ...EMPTY, ...rest, mutations: new Map(open.map((mutation) => [mutation.id, mutation])) };
}

/** Writes a ledger of its own accord: keeps the state that a real engine would have. */
export class Scribe {
  readonly ledger: Ledger;
  #state: State = EMPTY;

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  get state(): State {
    return this.#state;
  }

  /** One batch: each of these mutations is asked for. */
  request(...mutations: readonly Mutation[]): Promise<readonly LedgerRecord[]> {
    return this.append(mutations.map(requestedEvent), mutations);
  }

  /** Asked for and ended, in two batches. */
  async end(mutation: Mutation, stage: Stage = 'committed'): Promise<Mutation> {
    await this.request(mutation);
    const ended: Mutation = { ...mutation, stage, endedAt: mutation.requestedAt + 500 };
    await this.append([committedEvent(ended)], [ended]);
    return ended;
  }

  async append(
    events: readonly Event[],
    touched: readonly Mutation[],
    rest: Partial<State> = {},
  ): Promise<readonly LedgerRecord[]> {
    const mutations = new Map(this.#state.mutations);
    for (const mutation of touched) mutations.set(mutation.id, mutation);
    const standing = { ...this.#state, ...rest };
    const at = events.at(-1)?.at ?? standing.counters.at;
    const next = stateOf([...mutations.values()], { ...standing, counters: { ...standing.counters, at } });
    const records = await this.ledger.append(events, touched, next);
    this.#state = next;
    return records;
  }
}
