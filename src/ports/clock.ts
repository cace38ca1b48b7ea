/** Time, as an argument. The simulator's runs a year in milliseconds. */
export interface Clock {
  /** Wall clock, ms since the epoch. May jump either way. */
  readonly now: () => number;
  /** Ms since some fixed moment of this process; never jumps. */
  readonly mono: () => number;
  /** Calls `run` once, after at least `ms`. Returns what cancels it. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** Calls `run` once, after what has already arrived from outside was taken in: what lets commands gather into one batch. */
  readonly soon: (run: () => void) => void;
}
