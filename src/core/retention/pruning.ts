import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok } from '../../base/result.ts';
import type { Command, Facts } from '../command.ts';
import type { EventBody } from '../event.ts';
import { isFinal, type Mutation } from '../mutation/mutation.ts';
import type { Policy } from '../policy/policy.ts';
import type { State } from '../state.ts';
import type { Verdict } from '../verdict.ts';
import { condemn, type Exempt, STUCK_MS } from './retention.ts';

export function prune(state: State, command: Extract<Command, { type: 'prune' }>, policy: Policy): EventBody[] {
  const { candidates, owners, insist = false } = command;
  const current = candidates.map((candidate) => {
    const owner = owners === undefined ? candidate : owners.get(candidate.target.mutation);
    const open = state.mutations.has(candidate.target.mutation);
    return { ...candidate, stage: open ? undefined : owner?.stage, pinned: owner?.pinned ?? false };
  });
  return condemn(current, policy.retention, command.at, exempt(state, command.at, insist)).map(({ target, why }) => {
    return { type: 'destroy_started', target, why };
  });
}

/** @param insist tries again what the storage refused lately: a person may have mended the cause */
export function exempt(state: State, at: number, insist: boolean): Exempt {
  return {
    going: (name) => state.condemned.has(name),
    staying: (name) => !insist && at - (state.stuck.get(name) ?? -Infinity) < STUCK_MS,
  };
}

export function destroy(state: State, command: Extract<Command, { type: 'destroy' }>): Verdict {
  const mutation = state.mutations.get(command.target.mutation);
  if (mutation !== undefined && !isFinal(mutation)) {
    return err(
      refusal('snapshot_kept', `Mutation ${mutation.id} is still ${mutation.stage} and needs ${command.target.name}.`),
    );
  }
  if (state.condemned.has(command.target.name)) return ok([]);
  if (mutation?.pinned) return err(refusal('snapshot_kept', `Mutation ${mutation.id} is pinned.`));
  return ok([{ type: 'destroy_started', target: command.target, why: command.why }]);
}

export function pin(state: State, mutation: Mutation, command: Extract<Command, { type: 'pin' }>): Verdict {
  if (mutation.pinned === command.pinned) return ok([]);
  // A pin is a promise that what is there stays: not when some of it is going at this moment.
  const going = [...state.condemned.values()]
    .filter((target) => target.mutation === mutation.id)
    .map(({ name }) => name);
  const gone = going.length > 0 ? goneRefusal(mutation, going) : goneOf(state, mutation, command);
  if (command.pinned && gone !== undefined) return err(gone);
  const { pinned, who } = command;
  return ok([{ type: 'pinned', mutation: mutation.id, pinned, ...(who === undefined ? {} : { who }) }]);
}

/** Why a mutation's snapshots cannot be relied on, if one of them was destroyed, or is about to be. */
export function goneOf(state: State, mutation: Mutation, facts: Facts): Refusal | undefined {
  const gone = mutation.snapshots
    .map(({ name }) => name)
    .filter((name) => state.condemned.has(name) || facts.destroyed?.includes(name));
  return gone.length === 0 ? undefined : goneRefusal(mutation, gone);
}

function goneRefusal(mutation: Mutation, names: readonly string[]): Refusal {
  return refusal('snapshot_gone', `${names.join(', ')} of mutation ${mutation.id} is gone.`, undefined, {
    snapshots: names,
  });
}

export function destroyAnswered(command: Extract<Command, { type: 'destroy_answered' }>): EventBody[] {
  const { answer, target } = command;
  // Unknown: it stays condemned, and is tried again.
  if (answer.kind === 'unknown') return [];
  return [
    answer.kind === 'done' ? { type: 'destroyed', target } : { type: 'destroy_refused', target, reason: answer.reason },
  ];
}
