import { refusal, type Refusal } from '../../base/refusal.ts';
import { ok } from '../../base/result.ts';
import type { Answer, Command } from '../command.ts';
import type { EventBody } from '../event.ts';
import { describeHolders, inTheWayOf } from '../lock/lock.ts';
import type { Mutation } from '../mutation/mutation.ts';
import type { Policy } from '../policy/policy.ts';
import type { State } from '../state.ts';
import type { Verdict } from '../verdict.ts';
import { checkFence, overdue } from './lease.ts';

export function renew(mutation: Mutation, command: Extract<Command, { type: 'renew' }>): Verdict {
  const fenced = checkFence(mutation, command.fence);
  if (!fenced.ok) return fenced;
  return ok([{ type: 'renewed', mutation: mutation.id, expiresAt: command.at + mutation.ttlMs }]);
}

export function attach(mutation: Mutation, command: Extract<Command, { type: 'attach' }>): Verdict {
  const fenced = checkFence(mutation, command.fence);
  if (!fenced.ok) return fenced;
  return ok(mutation.holderLostUntilMono === undefined ? [] : [{ type: 'holder_back', mutation: mutation.id }]);
}

/**
 * The connection of an attached caller closed: whatever it was waiting for or doing is off.
 *
 * @param why what else took its holder away: a node that was revoked
 */
export function holderGone(mutation: Mutation, why?: Refusal): EventBody[] {
  const id = mutation.id;
  const reason = why ?? refusal('cancelled', 'The caller went away before it was cleared.');
  const into = reason.code === 'cancelled' ? 'cancelled' : 'denied';
  switch (mutation.stage) {
    case 'queued':
      return [{ type: into, mutation: id, reason }];
    case 'halting':
    case 'snapshotting':
    case 'verifying':
      return [{ type: 'withdraw_started', mutation: id, into, reason }];
    case 'cleared':
      return abandon(
        mutation,
        why ?? refusal('holder_gone', 'The caller died or lost its connection before it said how the change ended.'),
      );
    default:
      return [];
  }
}

/** What the controller does with a cleared mutation whose holder has no say any more. */
export function abandon(mutation: Mutation, reason: Refusal): EventBody[] {
  if (mutation.onExpiry === 'quarantine') return [{ type: 'quarantined', mutation: mutation.id, reason }];
  const undone = { ...reason, hint: 'The change is undone; the failed state is kept as evidence.' };
  const attempt = mutation.attempt + 1;
  return [{ type: 'rollback_started', mutation: mutation.id, attempt, by: 'controller', reason: undone }];
}

/** Not done: the engine tries again, for something may still be at work on a state that nobody is cleared to change. */
export function holderStopped(mutation: Mutation, answer: Answer<unknown>): EventBody[] {
  return answer.kind === 'done' ? [{ type: 'holder_stopped', mutation: mutation.id }] : [];
}

export function fallDue(state: State, mutation: Mutation, command: Command, policy: Policy): EventBody[] {
  if (mutation.stage === 'queued' && command.mono >= mutation.waitUntilMono) {
    const before = inTheWayOf(mutation, state.mutations.values());
    if (before.length === 0) return [];
    const reason = refusal('lock_timeout', `Waited ${mutation.waitMs} ms for ${describeHolders(before)}.`, undefined, {
      blockedBy: before.map((other) => other.id),
    });
    return [{ type: 'denied', mutation: mutation.id, reason }];
  }
  const over = overdue(mutation, command.mono, policy.graceMs);
  return over === undefined ? [] : abandon(mutation, over);
}
