import type { Command, CommandBody, Facts } from '../core/command.ts';
import type { Event } from '../core/event.ts';
import type { Mutation, MutationId } from '../core/mutation/mutation.ts';
import type { State } from '../core/state.ts';
import type { Ledger } from '../ports/ledger.ts';

/**
 * What a decision needs to know from the ledger besides the state.
 *
 * @param events what the batch has come to so far, which the ledger does not have yet
 */
export async function factsFor(
  body: CommandBody,
  state: State,
  events: readonly Event[],
  ledger: Ledger,
): Promise<Facts> {
  const now = (mutation: Mutation): Mutation => state.mutations.get(mutation.id) ?? mutation;
  if (body.type === 'request' && body.request.key !== undefined) {
    const { key } = body.request;
    const open = [...state.mutations.values()].find((mutation) => mutation.key === key);
    const earlier = open ?? (await ledger.findByKey(key));
    return earlier === undefined ? {} : { earlier };
  }
  if (body.type === 'rollback' && body.fence === undefined) {
    const mutation = state.mutations.get(body.mutation) ?? (await ledger.find(body.mutation));
    if (mutation?.stage !== 'committed') return {};
    const newer = (await ledger.newerOverlapping(mutation.id, mutation.datasets)).map(now);
    return { newer, destroyed: await destroyedOf(mutation.id, events, ledger) };
  }
  if (body.type === 'pin') return { destroyed: await destroyedOf(body.mutation, events, ledger) };
  if (body.type === 'prune') {
    const owners = new Map<MutationId, Mutation>();
    for (const { target } of body.candidates) {
      const owner = state.mutations.get(target.mutation) ?? (await ledger.find(target.mutation));
      if (owner !== undefined) owners.set(owner.id, owner);
    }
    return { owners };
  }
  return {};
}

/** Names of a mutation's snapshots and evidence that were destroyed. */
export async function destroyedOf(id: MutationId, events: readonly Event[], ledger: Ledger): Promise<string[]> {
  const recorded = (await ledger.recordsOf(id)).map((record) => record.event);
  return [...recorded, ...events].flatMap((event) =>
    event.type === 'destroyed' && event.target.mutation === id ? [event.target.name] : [],
  );
}

/** Decisions about a mutation that has long ended need it at hand. */
export async function withSubject(state: State, command: Command, ledger: Ledger): Promise<State> {
  const id =
    'mutation' in command ? command.mutation : command.type === 'destroy' ? command.target.mutation : undefined;
  if (id === undefined || command.type === 'request' || state.mutations.has(id)) return state;
  const ended = await ledger.find(id);
  return ended === undefined ? state : { ...state, mutations: new Map([...state.mutations, [id, ended]]) };
}
