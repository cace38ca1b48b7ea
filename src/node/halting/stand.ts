import {
  atBoot,
  deadlineOf,
  type Halting,
  type HaltingDeed,
  type HaltingInput,
  haltingStep,
  pulseOf,
} from '../../core/barrier/halting.ts';
import type { Epoch, NodeState, Pulse } from '../../core/barrier/message.ts';
import type { Clock } from '../../ports/clock.ts';

export interface StandOptions {
  readonly boot: string;
  /** The newest epoch that an earlier run knew of. */
  readonly epoch: Epoch;
  readonly clock: Clock;
  /** @returns why it did not succeed */
  readonly flush: (epoch: Epoch, intent: string, signal: AbortSignal) => Promise<string | undefined>;
  /** Undoes whatever a flush has stopped. Harmless when there is nothing. */
  readonly thaw: () => Promise<void>;
  /** The pulse is another one now. */
  readonly changed: () => void;
}

/** Where the node stands in barriers: runs the state machine of `src/core/barrier/halting.ts` on the real world. */
export class Stand {
  readonly #options: StandOptions;
  #halting: Halting;
  #cancelDeadline: () => void = () => {};
  #flushing: AbortController | undefined;
  /** Flush and thaw go one after the other, in the order they were told to. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: StandOptions) {
    this.#options = options;
    this.#halting = atBoot(options.boot, options.epoch);
  }

  get pulse(): Pulse {
    return pulseOf(this.#halting);
  }

  get state(): NodeState {
    return this.#halting.state;
  }

  /** When it runs again, whatever else happens; the clock's monotonic ms. Undefined while it runs. */
  get untilMono(): number | undefined {
    return deadlineOf(this.#halting);
  }

  take(input: HaltingInput): void {
    const { clock, changed } = this.#options;
    const before = this.#halting;
    const { next, deeds } = haltingStep(before, input, clock.mono());
    this.#halting = next;
    for (const deed of deeds) this.#do(deed);
    if (next === before) return;
    this.#watchDeadline();
    changed();
  }

  /** When all flushing and thawing that was begun is done. */
  async settled(): Promise<void> {
    await this.#work;
  }

  #do(deed: HaltingDeed): void {
    // Whatever is still being flushed is for a barrier that is over.
    this.#flushing?.abort();
    this.#flushing = undefined;
    const { flush, thaw } = this.#options;
    if (deed.type === 'thaw') return this.#then(thaw);
    const { epoch, intent } = deed;
    const flushing = new AbortController();
    this.#flushing = flushing;
    this.#then(async () => {
      // Its hooks could not talk to what an earlier barrier froze.
      await thaw();
      const why = flushing.signal.aborted ? 'called off' : await flush(epoch, intent, flushing.signal);
      if (this.#flushing === flushing) this.#flushing = undefined;
      this.take({ type: 'flushed', epoch, ...(why === undefined ? {} : { why: why.slice(0, WHY_MAX) }) });
    });
  }

  #then(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      this.take({ type: 'thaw', why: String(error).slice(0, WHY_MAX) });
    });
  }

  #watchDeadline(): void {
    this.#cancelDeadline();
    const { clock } = this.#options;
    const untilMono = this.untilMono;
    if (untilMono === undefined) return;
    this.#cancelDeadline = clock.after(Math.max(0, untilMono - clock.mono()), () => {
      this.take({ type: 'tick' });
      // A timer may be early by the fraction of a millisecond that the clock does not show.
      if (this.untilMono === untilMono) this.#watchDeadline();
    });
  }
}

/** What a message has room for, chars. */
const WHY_MAX = 500;
