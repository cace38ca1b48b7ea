/**
 * How often a node asked, in three numbers: enough to hold it to a rate of so many a minute, and small enough to stand in the
 * state (`state.pace`, a part of the ledger's standing, folded from `requested` like everything else). Times are the events' wall
 * clock, which never goes backwards.
 */
export interface Pace {
  /** Minutes since the epoch of the last request. */
  readonly minute: number;
  readonly asked: number;
  /** Asked for in the minute before. */
  readonly before: number;
}

const MINUTE_MS = 60_000;

/** Requests in the 60 s before `at`, the minute before counting for what of it still lies in them: not exact, but never a double burst. */
export function askedLately(pace: Pace | undefined, at: number): number {
  const { asked, before } = turned(pace, minuteOf(at));
  return before * (1 - (at % MINUTE_MS) / MINUTE_MS) + asked;
}

/**
 * Counts one more request of a node, or, when it was refused for its rate, one less: whoever asks too often is let in again when its
 * minute is over, not when it has given up. Changes the map, and drops from it who has not asked for two minutes.
 */
export function count(paces: Map<string, Pace>, node: string, at: number, by: 1 | -1): Map<string, Pace> {
  const minute = minuteOf(at);
  const { asked, before } = turned(paces.get(node), minute);
  // The one that asked last stands last, so the search for the silent ends at the first that is not.
  paces.delete(node);
  for (const [name, pace] of paces) {
    if (pace.minute >= minute - 1) break;
    paces.delete(name);
  }
  return paces.set(node, { minute, asked: Math.max(asked + by, 0), before });
}

function turned(pace: Pace | undefined, minute: number): { readonly asked: number; readonly before: number } {
  if (pace === undefined || pace.minute < minute - 1) return { asked: 0, before: 0 };
  return pace.minute === minute ? pace : { asked: 0, before: pace.asked };
}

function minuteOf(at: number): number {
  return Math.floor(at / MINUTE_MS);
}
