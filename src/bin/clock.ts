import type { Clock } from '../ports/clock.ts';

/** setTimeout fires at once for anything longer. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  // Whole ms: fractions would only make the ledger longer.
  mono: () => Math.floor(performance.now()),
  after: (ms, run) => {
    const timer = setTimeout(run, Math.min(ms, TIMER_MS_MAX));
    return () => clearTimeout(timer);
  },
  soon: (run) => void setImmediate(run),
};
