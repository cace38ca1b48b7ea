const FIRST_MS = 500;
const LONGEST_MS = 10_000;
/** Of each delay so much is certain; the rest is chance, so that a thousand nodes do not come back at one moment. */
const CERTAIN = 0.2;

/**
 * How long to wait before trying again: twice as long each time, ten seconds at most, and never for good.
 *
 * @param failures in a row, 1 for the first
 * @param chance 0 to 1
 * @returns ms
 */
export function backoffMs(failures: number, chance: number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 30));
  return Math.round(whole * (CERTAIN + (1 - CERTAIN) * chance));
}
