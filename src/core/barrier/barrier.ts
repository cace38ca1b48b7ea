import { refusal, type Refusal } from '../../base/refusal.ts';
import type { Command } from '../command.ts';
import type { EventBody } from '../event.ts';
import { abandon } from '../lease/holder.ts';
import type { Mutation } from '../mutation/mutation.ts';
import { snapshotStarted } from '../snapshot/started.ts';
import type { State } from '../state.ts';
import type { Epoch } from './message.ts';

/**
 * Nodes of the mesh that a critical mutation's barrier has to halt: all that were not revoked. One whose certificate ran out may still be
 * at work, or linked by a socket, where none is shown.
 */
export function participantsOf(state: State, { allowMissing = [] }: Pick<Mutation, 'allowMissing'>): string[] {
  return [...state.nodes.values()]
    .filter(({ name, revokedAt }) => revokedAt === undefined && !allowMissing.includes(name))
    .map(({ name }) => name);
}

/** Why there can be no barrier at all; undefined when there can. */
export function barrierRefusal(
  state: State,
  request: Pick<Mutation, 'mode' | 'hold' | 'allowMissing'>,
): Refusal | undefined {
  if (request.mode !== 'critical') {
    return request.hold || request.allowMissing !== undefined
      ? refusal(
          'mode_unsupported',
          'Only critical mode halts nodes.',
          'Ask for critical mode, or without --hold and --allow-missing.',
        )
      : undefined;
  }
  const strangers = (request.allowMissing ?? []).filter((name) => !state.nodes.has(name));
  if (strangers.length > 0) {
    return refusal('node_unknown', `Allowed to be missing, but no node of this mesh: ${strangers.join(', ')}.`);
  }
  if (participantsOf(state, request).length > 0) return undefined;
  return refusal(
    'mode_unsupported',
    'There is no node that could be halted, so a barrier would prove nothing.',
    'Let nodes join with "hauki node invite", or ask for standard mode.',
  );
}

/** The locks are there: HALT AND FLUSH. Nodes may have gone since it was asked for. */
export function haltStarted(state: State, mutation: Mutation, fence: number): EventBody {
  const refused = barrierRefusal(state, mutation);
  if (refused !== undefined) return { type: 'denied', mutation: mutation.id, reason: refused };
  return { type: 'halt_started', mutation: mutation.id, fence, nodes: participantsOf(state, mutation) };
}

export function haltAnswered(
  state: State,
  mutation: Mutation,
  command: Extract<Command, { type: 'halt_answered' }>,
): EventBody[] {
  const { answer } = command;
  const { id, fence = 0, participants = [] } = mutation;
  if (answer.kind !== 'done')
    return [{ type: 'withdraw_started', mutation: id, into: 'denied', reason: answer.reason }];
  // Invariant 4 begins here: all of them, or none.
  const silent = participants.filter((name) => !answer.value.some(({ node }) => node === name));
  if (silent.length > 0) {
    const reason = refusal('flush_failed', `Not every node said that it has flushed: ${silent.join(', ')}.`);
    return [{ type: 'withdraw_started', mutation: id, into: 'denied', reason }];
  }
  const namedAt = Math.max(command.at, state.counters.namedAt + 1);
  return [{ type: 'flushed', mutation: id, nodes: answer.value }, snapshotStarted(mutation, fence, namedAt)];
}

export function verifyAnswered(
  mutation: Mutation,
  command: Extract<Command, { type: 'verify_answered' }>,
): EventBody[] {
  const { answer } = command;
  const { id, snapshots, ttlMs } = mutation;
  if (answer.kind !== 'done')
    return [{ type: 'withdraw_started', mutation: id, into: 'denied', reason: answer.reason }];
  return [{ type: 'cleared', mutation: id, snapshots, expiresAt: command.at + ttlMs }];
}

/** A node ran in a barrier that is held. Whatever was done since rests on a halt that was none, so it is undone. */
export function holdBroke(state: State, { epoch, nodes }: Extract<Command, { type: 'hold_broke' }>): EventBody[] {
  const mutation = [...state.mutations.values()].find(({ fence, hold }) => fence === epoch && hold === true);
  const words = nodes.map(({ node, why }) => `${node}: ${why}`).join('; ');
  const message = `The nodes were to stay halted until the change had ended, and did not. ${words}.`;
  const reason = refusal('barrier_broken', message, 'See what was changed, then "hauki resolve".', { nodes });
  if (mutation?.stage === 'cleared') return abandon(mutation, reason);
  if (mutation?.stage !== 'verifying') return [];
  const denied = refusal('barrier_broken', message, undefined, { nodes });
  return [{ type: 'withdraw_started', mutation: mutation.id, into: 'denied', reason: denied }];
}

/** A barrier whose nodes are to stay halted, in this state. */
export interface Wanted {
  readonly epoch: Epoch;
  readonly nodes: readonly string[];
  /** It was verified, and is held for its mutation: a controller started since takes it up again. */
  readonly revive: boolean;
}

export function barriersWanted(state: State): Wanted[] {
  const wanted: Wanted[] = [];
  for (const { stage, hold, fence = 0, participants } of state.mutations.values()) {
    if (participants === undefined) continue;
    const before = stage === 'halting' || stage === 'snapshotting' || stage === 'verifying';
    // A person may take days over one in quarantine; nodes are not halted for that long.
    const held = hold === true && (stage === 'cleared' || stage === 'committing' || stage === 'rolling_back');
    if (before || held) wanted.push({ epoch: fence, nodes: participants, revive: held });
  }
  return wanted;
}
