import type { Event } from '../core/event.ts';
import { isFinal, type Mutation, type MutationId } from '../core/mutation/mutation.ts';
import type { Clock } from '../ports/clock.ts';
import type { LedgerRecord } from '../ports/ledger.ts';
import type { Log } from '../ports/log.ts';
import type { Storage } from '../ports/storage.ts';

export interface TendingPorts {
  readonly storage: Pick<Storage, 'tend'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** What changes which mutations are open, and so what the storage has to accompany. A renewal, say, does not. */
const CHANGES: ReadonlySet<Event['type']> = new Set<Event['type']>([
  'controller_started',
  'cleared',
  'committed',
  'rollback_started',
  'rolled_back',
  'quarantined',
  'denied',
  'cancelled',
]);

/** How many ended mutations wait to be told at most. What is beyond is found on the storage by the next start. */
export const ENDED_MAX = 4_096;
/** After so long a tend is no reason any more to stay: to be called idle, or to wait with a stop. */
const TEND_MS_MAX = 60_000;
/** Stages in which somebody waits for the storage, which a call would keep busy just then. */
const WAITED_FOR: ReadonlySet<Mutation['stage']> = new Set<Mutation['stage']>(['snapshotting', 'rolling_back']);
/** So long a call makes way for them; where there is always one, the rest must not wait for ever. */
const MAKES_WAY_MS = 1_000;
const RETRY_MS_MIN = 1_000;
/** A pool that is gone for good is asked for once an hour; any change is told at once all the same. */
const RETRY_MS_MAX = 60 * 60_000;

/**
 * Keeps the storage informed of how mutations stand: see Storage.tend. No decision and no request waits for it, and no
 * invariant rests on it.
 *
 * It goes by how things are, not by what happened: whatever changes while one call runs goes into the next, and a call that
 * failed is made up for by any later one. A call begins only at the end of a turn of the engine, when the engine's state is what
 * the ledger has, so the storage is never told what is not on record.
 */
export class Tending {
  readonly #ports: TendingPorts;
  readonly #wake: () => void;
  /** Those that ended and were not told yet, as they are now. */
  readonly #ended = new Map<MutationId, Mutation>();
  readonly #waiting: ((told: boolean) => void)[] = [];
  #due = false;
  #dueSinceMono = 0;
  #running = false;
  #late = false;
  #stopped = false;
  #failures = 0;
  /** What was wrong the last time: it is said once. */
  #complaint: string | undefined;
  #notBeforeMono = 0;
  #cancelRetry: (() => void) | undefined;

  /** @param wake makes the engine take a turn */
  constructor(ports: TendingPorts, wake: () => void) {
    this.#ports = ports;
    this.#wake = wake;
  }

  /** A call is under way, and not for too long already. */
  get busy(): boolean {
    return this.#running && !this.#late;
  }

  /** What a turn has put on record. */
  recorded(records: readonly LedgerRecord[], touched: readonly Mutation[]): void {
    if (!records.some(({ event }) => CHANGES.has(event.type))) return;
    for (const mutation of touched) {
      if (isFinal(mutation)) this.#tellEnded(mutation);
      else this.#ended.delete(mutation.id);
    }
    this.#isDue();
    // One bad dataset must not keep the others waiting for as long as it is bad.
    this.#notBeforeMono = Math.min(this.#notBeforeMono, this.#ports.clock.mono() + RETRY_MS_MIN);
  }

  /**
   * Mutations that ended, perhaps long ago, and that the storage does not know to have.
   *
   * @returns whether the next call succeeded
   */
  alsoEnded(mutations: readonly Mutation[]): Promise<boolean> {
    if (this.#stopped) return Promise.resolve(false);
    for (const mutation of mutations) if (!this.#ended.has(mutation.id)) this.#tellEnded(mutation);
    this.#isDue();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#wake();
    });
  }

  /** The end of a turn: begins the next call, if there is one to be made. */
  turn(open: ReadonlyMap<MutationId, Mutation>): void {
    if (!this.#due || this.#running || this.#stopped) return;
    const waitedFor = [...open.values()].some(({ stage }) => WAITED_FOR.has(stage));
    const begin = Math.max(this.#notBeforeMono, waitedFor ? this.#dueSinceMono + MAKES_WAY_MS : 0);
    const waitMs = begin - this.#ports.clock.mono();
    if (waitMs > 0) return this.#wakeAfter(waitMs);
    void this.#tend(open);
  }

  /** Begins no more calls. */
  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    for (const resolve of this.#waiting.splice(0)) resolve(false);
  }

  async #tend(open: ReadonlyMap<MutationId, Mutation>): Promise<void> {
    const { storage, clock, log } = this.#ports;
    const ended = [...this.#ended.values()].filter(({ id }) => !open.has(id));
    const waiting = this.#waiting.splice(0);
    this.#due = false;
    this.#running = true;
    this.#late = false;
    const cancelLimit = clock.after(TEND_MS_MAX, () => {
      this.#late = true;
      log.warn({ open: open.size, ended: ended.length }, 'the storage takes long to be told how mutations stand');
    });
    let told = true;
    try {
      await storage.tend([...open.values()], ended);
      // One that has changed since is told as it is then.
      for (const one of ended) if (this.#ended.get(one.id) === one) this.#ended.delete(one.id);
      this.#failures = 0;
      this.#complaint = undefined;
    } catch (error) {
      told = false;
      const message = error instanceof Error ? error.message : String(error);
      if (message !== this.#complaint)
        log.warn(
          { error: message },
          'the storage could not be told how mutations stand; it is tried again, more and more rarely',
        );
      this.#complaint = message;
      this.#notBeforeMono = clock.mono() + Math.min(RETRY_MS_MIN * 2 ** this.#failures, RETRY_MS_MAX);
      this.#failures += 1;
      this.#isDue();
    }
    cancelLimit();
    this.#running = false;
    for (const resolve of waiting) resolve(told);
    if (this.#due) this.#wake();
  }

  #isDue(): void {
    if (!this.#due) this.#dueSinceMono = this.#ports.clock.mono();
    this.#due = true;
  }

  /** A request that was refused before anything was frozen has left nothing on the storage. */
  #tellEnded(mutation: Mutation): void {
    if (mutation.snapshots.length === 0) return;
    if (this.#ended.has(mutation.id) || this.#ended.size < ENDED_MAX) this.#ended.set(mutation.id, mutation);
  }

  #wakeAfter(waitMs: number): void {
    this.#cancelRetry?.();
    this.#cancelRetry = this.#ports.clock.after(waitMs, this.#wake);
  }
}
