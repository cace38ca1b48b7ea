import { anyOverlapping, type Place } from '../dataset.ts';
import { datasetNames, holdsLocks, type Mode, type Mutation } from '../mutation/mutation.ts';

/**
 * Hierarchical locks, first come first served, with no table of their own: who holds what follows from the mutations' stages.
 *
 * A mutation may begin when it overlaps neither with a holder nor with anyone who asked earlier and still waits. It takes
 * all of its datasets in that one step, so two of them can never each hold what the other wants; and nobody overtakes, so
 * nobody starves. A critical mutation overlaps with everything: its barrier is over the whole mesh.
 *
 * @param open in the order they were asked for
 * @returns the queued ones whose turn it is, in order
 */
export function whoseTurn(open: Iterable<Mutation>): Mutation[] {
  const all = [...open];
  const taken: Wanting[] = all.filter(holdsLocks);
  const turn: Mutation[] = [];
  for (const mutation of all) {
    if (mutation.stage !== 'queued') continue;
    if (!taken.some((other) => conflict(other, mutation))) turn.push(mutation);
    taken.push(mutation);
  }
  return turn;
}

interface Wanting {
  readonly datasets: readonly Place[];
  readonly mode: Mode;
}

/** True when two mutations cannot hold their locks at the same time. */
function conflict(a: Wanting, b: Wanting): boolean {
  return a.mode === 'critical' || b.mode === 'critical' || anyOverlapping(a.datasets, b.datasets);
}

/** Those who stand before a mutation: holders it overlaps with, and earlier ones in the queue. */
export function inTheWayOf(mutation: Mutation, open: Iterable<Mutation>): Mutation[] {
  const before: Mutation[] = [];
  let later = false;
  for (const other of open) {
    if (other.id === mutation.id) later = true;
    else if ((holdsLocks(other) || (other.stage === 'queued' && !later)) && conflict(other, mutation)) {
      before.push(other);
    }
  }
  return before;
}

/** Holders of locks that whoever wants these has to wait for, but for one mutation. */
export function holdersOf(wanting: Wanting, open: Iterable<Mutation>, except?: string): Mutation[] {
  return [...open].filter((other) => other.id !== except && holdsLocks(other) && conflict(other, wanting));
}

/** For people: who holds what. */
export function describeHolders(others: readonly Mutation[]): string {
  const [first] = others;
  if (first === undefined) return 'nothing';
  const more = others.length > 1 ? ` and ${others.length - 1} more` : '';
  return `${datasetNames(first).join(', ')}, held by mutation ${first.id} of ${first.node} (${first.stage})${more}`;
}
