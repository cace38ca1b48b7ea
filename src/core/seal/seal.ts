import { type Dataset, type DatasetName, within } from '../dataset.ts';
import { holdsLocks, type Mutation } from '../mutation/mutation.ts';
import type { Seal, State } from '../state.ts';

/**
 * The seals that must be lifted for a mutation to write: on its datasets and on what contains them. Also those that nobody wants
 * any more while the storage has not yet opened them.
 */
export function sealsOver(state: State, mutation: Mutation): Dataset[] {
  return [...state.seals]
    .filter(([, seal]) => seal.wanted || !seal.settled)
    .map(sealedDataset)
    .filter((sealed) => mutation.datasets.some((dataset) => within(sealed, dataset)));
}

export function sealedDataset([name, { driver, place }]: readonly [DatasetName, Seal]): Dataset {
  return { name, driver, ...(place === undefined ? {} : { at: place }) };
}

/** The seals to close when a mutation ends: those it lifted, unless another mutation still needs one of them open. */
export function sealsToClose(state: State, mutation: Mutation): Dataset[] {
  const over = sealsOver(state, mutation).filter(({ name }) => state.seals.get(name)?.wanted);
  if (over.length === 0) return [];
  const others = [...state.mutations.values()].filter((other) => other.id !== mutation.id);
  const needed = sealsNeededOpen(state, others);
  return over.filter((seal) => !needed.has(seal.name));
}

/** The seals that stay lifted because a holder of locks is at work under them. */
export function sealsNeededOpen(state: State, mutations: Iterable<Mutation>): Set<DatasetName> {
  return new Set(
    [...mutations].filter(holdsLocks).flatMap((other) => sealsOver(state, other).map((seal) => seal.name)),
  );
}
