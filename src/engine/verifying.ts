import type { Audit, Audited } from '../ports/audit.ts';
import type { Clock } from '../ports/clock.ts';

export interface Verification extends Audited {
  /** When it had ended; wall clock, ms. */
  readonly at: number;
  readonly tookMs: number;
}

/** Verifies the ledger when asked, once at a time, and remembers how it went. */
export class Verifying {
  readonly #audit: Audit;
  readonly #clock: Clock;
  #running: Promise<Verification> | undefined;
  #last: Verification | undefined;

  constructor(audit: Audit, clock: Clock) {
    this.#audit = audit;
    this.#clock = clock;
  }

  /** The last one since this controller started. */
  get last(): Verification | undefined {
    return this.#last;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** What the ledger's files take, bytes. */
  bytes(): Promise<number> {
    return this.#audit.bytes();
  }

  /** Whoever asks while one is under way gets that one. @throws RefusedError see Audit */
  verify(): Promise<Verification> {
    this.#running ??= this.#walk().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #walk(): Promise<Verification> {
    const begun = this.#clock.mono();
    const audited = await this.#audit.verify();
    this.#last = { ...audited, at: this.#clock.now(), tookMs: Math.round(this.#clock.mono() - begun) };
    return this.#last;
  }
}
