import type { Refusal } from '../base/refusal.ts';
import type { Result } from '../base/result.ts';
import type { MutationId } from '../core/mutation/mutation.ts';

/** What marks a process as working under a mutation; inherited by whatever it starts. */
export const MUTATION_VARIABLE = 'HAUKI_MUTATION';

/** The processes that work under a mutation in one place. */
export interface Processes {
  /**
   * Ends every process that carries the mutation in its environment, and their descendants: SIGTERM, then SIGKILL.
   * Returns when none is left; `holder_unstoppable` names those that would not go.
   */
  stop(mutation: MutationId): Promise<Result<{ readonly stopped: number }, Refusal>>;
}
