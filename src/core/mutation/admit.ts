import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok } from '../../base/result.ts';
import { barrierRefusal, haltStarted } from '../barrier/barrier.ts';
import type { Answer, Command } from '../command.ts';
import type { EventBody } from '../event.ts';
import { fallDue } from '../lease/holder.ts';
import { whoseTurn } from '../lock/lock.ts';
import { revokedRefusal } from '../node/member.ts';
import { askedLately } from '../node/pace.ts';
import { type Policy, refusalOf } from '../policy/policy.ts';
import type { NodePolicy } from '../policy/rules.ts';
import { snapshotName } from '../snapshot/name.ts';
import { snapshotStarted } from '../snapshot/started.ts';
import { faultIn } from '../snapshot/read-back.ts';
import type { State } from '../state.ts';
import type { Verdict } from '../verdict.ts';
import { isFinal, type Mutation } from './mutation.ts';

export function request(state: State, command: Extract<Command, { type: 'request' }>, policy: Policy): Verdict {
  const { earlier } = command;
  if (earlier !== undefined) {
    if (earlier.keyDigest === command.request.keyDigest) return ok([]);
    return err(
      refusal('idempotency_mismatch', `The Idempotency-Key was used for another request, mutation ${earlier.id}.`),
    );
  }
  const id = command.mutation;
  const { node } = command.request;
  const asked: EventBody = { type: 'requested', mutation: id, request: command.request };
  const open = [...state.mutations.values()].filter((mutation) => !isFinal(mutation)).length;
  const refused =
    revokedRefusal(state.nodes, node) ??
    refusalOf(command.request, policy, ofMember(state, node), askedLately(state.pace.get(node), command.at)) ??
    barrierRefusal(state, command.request) ??
    command.unlocated ??
    (open >= policy.openMax ? refusal('overloaded', `${open} mutations are open already.`) : undefined) ??
    nameRefusal(command.request.datasets, command);
  // A denial is part of the record too: who wanted what, and why not.
  return ok(refused === undefined ? [asked] : [asked, { type: 'denied', mutation: id, reason: refused }]);
}

function ofMember(state: State, node: string): readonly NodePolicy[] {
  const member = state.nodes.get(node);
  return member === undefined ? [] : [member.policy];
}

function nameRefusal(
  datasets: readonly { readonly name: string }[],
  command: Extract<Command, { type: 'request' }>,
): Refusal | undefined {
  for (const { name } of datasets) {
    const named = snapshotName({ dataset: name, ...command.request, at: command.at });
    if (!named.ok) return named.error;
  }
  return undefined;
}

/** The queued ones that can begin now, and those that asked not to wait and would have to. */
export function admissions(state: State, command: Command, policy: Policy): EventBody[] {
  const open = [...state.mutations.values()];
  if (!open.some((mutation) => mutation.stage === 'queued')) return [];
  const turn = whoseTurn(open);
  let { fence, namedAt } = state.counters;
  const begun = turn.map((mutation): EventBody => {
    fence += 1;
    if (mutation.mode === 'critical') return haltStarted(state, mutation, fence);
    namedAt = Math.max(command.at, namedAt + 1);
    return snapshotStarted(mutation, fence, namedAt);
  });
  if (begun.length > 0) return begun;
  return open.flatMap((mutation) => fallDue(state, mutation, command, policy).filter((body) => body.type === 'denied'));
}

export function snapshotAnswered(
  mutation: Mutation,
  command: Extract<Command, { type: 'snapshot_answered' }>,
): EventBody[] {
  const { answer } = command;
  const id = mutation.id;
  if (answer.kind !== 'done')
    return [{ type: 'withdraw_started', mutation: id, into: 'denied', reason: answer.reason }];
  const fault = faultIn(mutation, answer.value);
  if (fault !== undefined)
    return [{ type: 'withdraw_started', mutation: id, into: 'denied', reason: refusal('snapshot_failed', fault) }];
  const snapshots = answer.value;
  if (mutation.mode === 'critical') return [{ type: 'master_taken', mutation: id, snapshots }];
  return [{ type: 'cleared', mutation: id, snapshots, expiresAt: command.at + mutation.ttlMs }];
}

export function withdrawAnswered(mutation: Mutation, answer: Answer<void>): EventBody[] {
  // Not done: the locks stay and the engine tries again, for a half-made snapshot is still somewhere.
  if (answer.kind !== 'done') return [];
  const reason = mutation.reason ?? refusal('cancelled', 'The caller went away.');
  return [{ type: reason.code === 'cancelled' ? 'cancelled' : 'denied', mutation: mutation.id, reason }];
}
