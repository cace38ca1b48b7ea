import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok } from '../../base/result.ts';
import type { Answer, Command, Facts } from '../command.ts';
import type { EventBody } from '../event.ts';
import { holderGone } from '../lease/holder.ts';
import { checkFence } from '../lease/lease.ts';
import { describeHolders, holdersOf } from '../lock/lock.ts';
import { goneOf } from '../retention/pruning.ts';
import { sealsToClose } from '../seal/seal.ts';
import type { State } from '../state.ts';
import type { Verdict } from '../verdict.ts';
import type { Mutation } from './mutation.ts';

export function commit(state: State, mutation: Mutation, fence: number): Verdict {
  // Asked again by a holder that lost the answer: the answer is the same.
  if (mutation.fence === fence && (mutation.stage === 'committed' || mutation.stage === 'committing')) return ok([]);
  const fenced = checkFence(mutation, fence);
  if (!fenced.ok) return fenced;
  const type = sealsToClose(state, mutation).length === 0 ? 'committed' : 'commit_started';
  return ok([{ type, mutation: mutation.id, by: 'holder' }]);
}

export function commitAnswered(mutation: Mutation, answer: Answer<void>): EventBody[] {
  if (answer.kind === 'done') return [{ type: 'committed', mutation: mutation.id, by: 'controller' }];
  return [{ type: 'quarantined', mutation: mutation.id, reason: answer.reason }];
}

export function rollback(state: State, mutation: Mutation, command: Extract<Command, { type: 'rollback' }>): Verdict {
  const { fence, who } = command;
  const by = fence === undefined ? 'operator' : 'holder';
  const begin = (): Verdict => ok([rollbackStarted(mutation, by, command.reason, who)]);
  if (fence !== undefined) {
    if (mutation.fence === fence && (mutation.stage === 'rolled_back' || mutation.stage === 'rolling_back'))
      return ok([]);
    const fenced = checkFence(mutation, fence);
    return fenced.ok ? begin() : fenced;
  }
  switch (mutation.stage) {
    case 'queued':
    case 'halting':
    case 'snapshotting':
    case 'verifying':
      return ok(
        holderGone(
          mutation,
          refusal('cancelled', `${who ?? 'An operator'} took the request back before it was cleared.`),
        ),
      );
    case 'cleared':
      return begin();
    case 'committed':
      return undo(state, mutation, command, begin);
    default:
      return err(
        refusal('stage_wrong', `Mutation ${mutation.id} is ${mutation.stage}: there is nothing to roll back.`),
      );
  }
}

/** A committed mutation can be undone only while it is the newest of its datasets: anything newer would go with it. */
function undo(state: State, mutation: Mutation, facts: Facts, begin: () => Verdict): Verdict {
  const holders = holdersOf(mutation, state.mutations.values(), mutation.id);
  if (holders.length > 0) {
    return err(
      refusal('dataset_busy', `Cannot roll back while ${describeHolders(holders)}.`, undefined, {
        blockedBy: holders.map((other) => other.id),
      }),
    );
  }
  const gone = goneOf(state, mutation, facts);
  if (gone !== undefined) return err(gone);
  const standing = (facts.newer ?? []).filter((other) => other.stage === 'committed');
  if (standing.length > 0) {
    const names = standing.map((other) => `${other.id} (${other.node}: ${other.intent})`).join('; ');
    return err(
      refusal('newer_mutations', `Newer committed mutations would be undone too: ${names}.`, undefined, {
        newer: standing.map((other) => other.id),
      }),
    );
  }
  return begin();
}

function rollbackStarted(
  mutation: Mutation,
  by: 'holder' | 'operator',
  reason: Refusal | undefined,
  who: string | undefined,
): EventBody {
  return {
    type: 'rollback_started',
    mutation: mutation.id,
    attempt: mutation.attempt + 1,
    by,
    ...(reason === undefined ? {} : { reason }),
    ...(who === undefined ? {} : { who }),
  };
}

export function rollbackAnswered(state: State, command: Extract<Command, { type: 'rollback_answered' }>): EventBody[] {
  const mutation = state.mutations.get(command.mutation);
  if (mutation === undefined || mutation.attempt !== command.attempt) return [];
  const { answer } = command;
  const open = mutation.stage === 'rolling_back' || mutation.stage === 'quarantined';
  // A late "done" still counts: it is the final answer that was missing. Even when a person has meanwhile resolved to keep the
  // change, for the change is no longer there.
  if (answer.kind === 'done' && (open || mutation.stage === 'committing')) {
    return [{ type: 'rolled_back', mutation: mutation.id, evidence: answer.value }];
  }
  return answer.kind !== 'done' && open ? [{ type: 'quarantined', mutation: mutation.id, reason: answer.reason }] : [];
}

/**
 * Even a commit goes through its effect: the holder may still be at work, and so may the storage, on a rollback that did not
 * answer in time. The locks are given away only when both are known to have ended.
 */
export function resolve(mutation: Mutation, { choice, who }: Extract<Command, { type: 'resolve' }>): Verdict {
  if (mutation.stage !== 'quarantined') {
    return err(
      refusal(
        'stage_wrong',
        `Mutation ${mutation.id} is ${mutation.stage}, not quarantined: there is nothing to resolve.`,
      ),
    );
  }
  if (choice === 'rollback') return ok([rollbackStarted(mutation, 'operator', undefined, who)]);
  const named = who === undefined ? {} : { who };
  return ok([{ type: 'commit_started', mutation: mutation.id, by: 'operator', ...named }]);
}
