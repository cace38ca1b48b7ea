import type { Refusal } from '../../base/refusal.ts';
import type { Traceparent } from '../../base/traceparent.ts';
import type { Mode } from '../../core/mutation/mutation.ts';
import type { MutationView } from '../../wire/http.ts';
import type { Guarded } from '../guarded.ts';

/** What a task asks leave for. */
export interface Leave {
  readonly task: string;
  readonly intent: string;
  readonly datasets: readonly string[];
  readonly mode: Mode;
  readonly waitMs: number;
  readonly traceparent?: Traceparent;
}

/** What the Shadow Writer asks of its controller. Each is refused by a RefusedError. */
export interface Desk {
  /** Waits for clearance, does the work, and commits; see src/node/guarded.ts. */
  guard(leave: Leave, work: (guarded: Guarded) => Promise<void>, signal: AbortSignal): Promise<void>;
  /** What became of a mutation. */
  show(mutation: string): Promise<MutationView>;
  rollback(mutation: string, fence: number): Promise<MutationView>;
  /** Puts on record that a task was denied here, before anybody was asked. */
  report(task: string, reason: Refusal): Promise<unknown>;
  /** Whether anybody is there to ask. */
  ready(): Promise<boolean>;
}
