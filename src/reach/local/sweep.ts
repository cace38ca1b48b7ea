import type { Refusal } from '../../base/refusal.ts';
import { ok, type Result } from '../../base/result.ts';
import { MUTATION_VARIABLE } from '../../ports/processes.ts';
import { describe, endMarked, lastPid } from './processes.ts';

/** More ids than this are given away by a busy host: then all processes are looked at, which takes no longer. */
const BORN_MAX = 1_000;

/** Ends what works under a mutation, as `stop` of src/ports/processes.ts does. */
export type Sweep = (mutation: string) => Promise<Result<{ readonly stopped: number }, Refusal>>;

/**
 * For a mutation under which nothing runs yet: what is asked for afterwards looks only at processes that were born since, which are few,
 * and at all of them only when one of those is its. So a command that left nothing behind costs next to nothing.
 */
export async function sweepSince(): Promise<Sweep> {
  const first = await lastPid();
  return async (mutation) => {
    const mark = `${MUTATION_VARIABLE}=${mutation}`;
    // Whoever forks and ends while it is looked for leaves one with a higher id: so on to the last that was given away.
    for (let seen = first; ;) {
      const last = await lastPid();
      if (last === seen) return ok({ stopped: 0 });
      // After the highest id they begin anew.
      if (last < first || last - first > BORN_MAX) return endMarked(mark);
      for (let pid = seen + 1; pid <= last; pid += 1) {
        if ((await describe(pid, mark))?.marked === true) return endMarked(mark);
      }
      seen = last;
    }
  };
}
