import type { Refusal } from '../../base/refusal.ts';
import { ok, type Result } from '../../base/result.ts';
import { MUTATION_VARIABLE } from '../../ports/processes.ts';
import { forksSoFar, lastPid } from './born.ts';
import { describe, endMarked } from './processes.ts';

/** A busy host starts more than this: then all processes are looked at, which takes no longer. */
const BORN_MAX = 1_000;

/** Ends what works under a mutation, as `stop` of src/ports/processes.ts does. */
export type Sweep = (mutation: string) => Promise<Result<{ readonly stopped: number }, Refusal>>;

/**
 * For a mutation under which nothing runs yet: what is asked for afterwards looks only at processes that were born since, which are few,
 * and at all of them when one of those is its, or nobody says which were born. So a command that left nothing behind costs next to nothing.
 */
export async function sweepSince(): Promise<Sweep> {
  const [first, forks] = await Promise.all([lastPid(), forksSoFar()]);
  return async (mutation) => {
    const mark = `${MUTATION_VARIABLE}=${mutation}`;
    if (first === undefined) return endMarked(mark);
    // Whoever forks and ends while it is looked for leaves one with a higher id: so on to the last that was given away.
    for (let seen = first; ;) {
      const [last, born] = [await lastPid(), (await forksSoFar()) - forks];
      // After the highest id they begin anew, and a whole round later may be just where they were.
      if (last === undefined || last < seen || !(born <= BORN_MAX)) return endMarked(mark);
      if (last === seen) return ok({ stopped: 0 });
      for (let pid = seen + 1; pid <= last; pid += 1) {
        if ((await describe(pid, mark))?.marked === true) return endMarked(mark);
      }
      seen = last;
    }
  };
}
