import { formatDuration } from '../../base/duration.ts';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Mutation } from '../mutation/mutation.ts';

/**
 * A call of a lease holder is honoured only with the very token its clearance came with, and only while the clearance stands.
 * That is the whole of fencing: a holder that slept through the end of its lease cannot act on what now belongs to somebody else.
 */
export function checkFence(mutation: Mutation, fence: number): Result<void, Refusal> {
  if (mutation.fence !== fence) {
    return err(
      refusal('fence_stale', `Fencing token ${fence} is not the one mutation ${mutation.id} was cleared with.`),
    );
  }
  if (mutation.stage !== 'cleared') {
    return err(
      refusal('lease_lost', `The lease of mutation ${mutation.id} is over: it is ${mutation.stage}.`, undefined, {
        stage: mutation.stage,
      }),
    );
  }
  return ok(undefined);
}

/**
 * Why the controller ends a cleared mutation now, if it does.
 *
 * @param graceMs how long after the lease's end the controller waits: the holder stops on its own clock, before
 */
export function overdue(mutation: Mutation, mono: number, graceMs: number): Refusal | undefined {
  if (mutation.stage !== 'cleared') return undefined;
  const end = mutation.expiresMono;
  if (end !== undefined && mono >= end + graceMs) {
    return refusal('lease_expired', `The lease of ${formatDuration(mutation.ttlMs)} ran out and was not renewed.`);
  }
  const lost = mutation.holderLostUntilMono;
  if (lost !== undefined && mono >= lost) {
    return refusal('holder_gone', 'The caller did not come back after the controller was restarted.');
  }
  return undefined;
}

/** The monotonic time at which something about this mutation falls due without anybody saying a word; undefined: never. */
export function dueAt(mutation: Mutation, graceMs: number): number | undefined {
  switch (mutation.stage) {
    case 'queued':
      return mutation.waitUntilMono;
    case 'cleared': {
      const end = (mutation.expiresMono ?? Infinity) + graceMs;
      return Math.min(end, mutation.holderLostUntilMono ?? Infinity);
    }
    default:
      return undefined;
  }
}
