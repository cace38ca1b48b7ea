import { formatDuration } from '../../base/duration.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { oneLine } from '../../wire/one-line.ts';

/** When a server that is not there is tried again, ms: first, and at the latest. */
export interface Retry {
  readonly retryMs: number;
  readonly retryMsMax: number;
}

export interface AbsenceOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1. */
  readonly random: () => number;
}

/** A connection that held so long was a good one: the next loss begins with the shortest wait again. */
const STABLE_MS = 60_000;
/** The same reason is said again after so long. */
const SAID_MS = 3_600_000;
const DOUBLINGS_MAX = 30;

/**
 * The time without a server: each try waits twice as long as the one before, and somewhat less or more than others do; for ever. The
 * log says why, once, not at every try.
 */
export class Absence {
  readonly #server: string;
  readonly #retry: Retry;
  readonly #options: AbsenceOptions;
  #tries = 0;
  #upMono: number | undefined;
  #cancel: (() => void) | undefined;
  #said: { readonly why: string; readonly mono: number } | undefined;

  constructor(server: string, retry: Retry, options: AbsenceOptions) {
    this.#server = server;
    this.#retry = retry;
    this.#options = options;
  }

  /** The server let us in. */
  end(): void {
    this.#upMono = this.#options.clock.mono();
    this.#said = undefined;
  }

  /** It is gone, or did not let us in: `again` is called when it is time for another try. */
  begin(why: string, again: () => void): void {
    const { clock, random } = this.#options;
    if (this.#upMono !== undefined && clock.mono() - this.#upMono >= STABLE_MS) this.#tries = 0;
    this.#upMono = undefined;
    const { retryMs, retryMsMax } = this.#retry;
    const waitMs = Math.min(retryMsMax, retryMs * 2 ** Math.min(this.#tries, DOUBLINGS_MAX));
    this.#tries += 1;
    const jittered = Math.round(waitMs * (0.75 + random() / 2));
    this.#say(why, jittered);
    this.#cancel = clock.after(jittered, again);
  }

  cancel(): void {
    this.#cancel?.();
  }

  #say(why: string, waitMs: number): void {
    const mono = this.#options.clock.mono();
    if (this.#said?.why === why && mono - this.#said.mono < SAID_MS) return;
    this.#said = { why, mono };
    const fields = { server: this.#server, tries: this.#tries };
    this.#options.log.warn(fields, `IRC: not connected: ${oneLine(why)}; trying again in ${formatDuration(waitMs)}`);
  }
}
