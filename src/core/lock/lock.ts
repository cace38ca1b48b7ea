import { anyOverlapping, type Place } from '../dataset.ts';
import { datasetNames, holdsLocks, type Mutation } from '../mutation/mutation.ts';

/**
 * Hierarchical locks, first come first served, with no table of their own: who holds what follows from the mutations' stages.
 *
 * A mutation may begin when it overlaps neither with a holder nor with anyone who asked earlier and still waits. It takes
 * all of its datasets in that one step, so two of them can never each hold what the other wants; and nobody overtakes, so
 * nobody starves.
 *
 * @param open in the order they were asked for
 * @returns the queued ones whose turn it is, in order
 */
export function whoseTurn(open: Iterable<Mutation>): Mutation[] {
  const all = [...open];
  const taken: (readonly Place[])[] = all.filter(holdsLocks).map(({ datasets }) => datasets);
  const turn: Mutation[] = [];
  for (const mutation of all) {
    if (mutation.stage !== 'queued') continue;
    const wanted = mutation.datasets;
    if (!taken.some((others) => anyOverlapping(others, wanted))) turn.push(mutation);
    taken.push(wanted);
  }
  return turn;
}

/** Those who stand before a mutation: holders it overlaps with, and earlier ones in the queue. */
export function inTheWayOf(mutation: Mutation, open: Iterable<Mutation>): Mutation[] {
  const before: Mutation[] = [];
  let later = false;
  for (const other of open) {
    if (other.id === mutation.id) later = true;
    else if (
      (holdsLocks(other) || (other.stage === 'queued' && !later)) &&
      anyOverlapping(other.datasets, mutation.datasets)
    ) {
      before.push(other);
    }
  }
  return before;
}

/** Holders of locks on a set of datasets, but for one mutation. */
export function holdersOf(datasets: readonly Place[], open: Iterable<Mutation>, except?: string): Mutation[] {
  return [...open].filter(
    (other) => other.id !== except && holdsLocks(other) && anyOverlapping(other.datasets, datasets),
  );
}

/** For people: who holds what. */
export function describeHolders(others: readonly Mutation[]): string {
  const [first] = others;
  if (first === undefined) return 'nothing';
  const more = others.length > 1 ? ` and ${others.length - 1} more` : '';
  return `${datasetNames(first).join(', ')}, held by mutation ${first.id} of ${first.node} (${first.stage})${more}`;
}
