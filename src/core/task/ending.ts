import type { Code } from '../../base/codes.ts';
import type { Refusal } from '../../base/refusal.ts';
import type { Traceparent } from '../../base/traceparent.ts';

/** Where an ended task lies in the spool. */
export type Outcome = 'done' | 'failed' | 'denied';

/** What became of a task: the JSON beside it, and what is told of it. Times are ISO 8601 in UTC. */
export interface TaskResult {
  readonly task: string;
  readonly node: string;
  readonly outcome: Outcome;
  /** It ran, or was about to, when its node ended. */
  readonly interrupted?: true;
  /** For people. */
  readonly words: string;
  readonly claimedAt: string;
  readonly endedAt: string;
  /** SHA-256 of its bytes, lower-case hex. */
  readonly sha256?: string;
  /** Who signed it. */
  readonly signer?: string;
  readonly mutation?: string;
  /** The trace that the task said it is part of. */
  readonly traceparent?: Traceparent;
  readonly snapshot?: string;
  /** How its mutation ended, as far as that is known. */
  readonly stage?: string;
  /** Why it was denied, or failed. */
  readonly reason?: Refusal;
  /** Where the failed state is kept. */
  readonly evidence?: readonly string[];
}

/**
 * Refusals after which a task waits and is tried again: the controller is not there, or cannot just now, and nothing was executed. All
 * others deny it.
 */
const LATER: ReadonlySet<Code> = new Set([
  'controller_unreachable',
  'controller_stopping',
  'controller_restarted',
  'ledger_unavailable',
  'overloaded',
  'rate_limited',
]);

/** @param stopping whether the node itself is; else it was an operator who took the request back */
export function isForLater({ code }: Refusal, stopping: boolean): boolean {
  return LATER.has(code) || (stopping && code === 'cancelled');
}

/** How people call the locks of a storage: `ZFS Lock secured.` */
const LOCK: Readonly<Record<string, string>> = { zfs: 'ZFS Lock', btrfs: 'btrfs Lock', directory: 'Directory Lock' };

export function executingWords(task: string, driver: string): string {
  return `${LOCK[driver] ?? 'Lock'} secured. Executing code surgery: ${task}`;
}

export function completedWords(task: string): string {
  return `Surgery ${task} COMPLETED flawlessly.`;
}
