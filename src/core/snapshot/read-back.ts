import { contains } from '../dataset.ts';
import type { Mutation } from '../mutation/mutation.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * Why a mutation cannot be cleared on these snapshots, if it cannot. Invariant 1: each and every one it asked for was read back. Those of
 * datasets inside come on top of that when it asked for them, and then all of a pool are of one moment.
 */
export function faultIn(mutation: Mutation, taken: readonly Snapshot[]): string | undefined {
  const missing = mutation.snapshots.find(
    (wanted) => !taken.some((got) => got.name === wanted.name && got.dataset === wanted.dataset && got.guid !== ''),
  );
  if (missing !== undefined)
    return `The storage did not show every snapshot of mutation ${mutation.id} when it was read back.`;
  const named = new Set(mutation.snapshots.map(({ name }) => name));
  const more = taken.filter(({ name }) => !named.has(name));
  const odd = more.find(({ dataset, guid }) => guid === '' || !isInside(mutation, dataset));
  if (odd !== undefined)
    return `The storage showed ${odd.name}, which mutation ${mutation.id} did not ask for like that.`;
  return mutation.recursive ? apart(taken) : undefined;
}

function isInside({ recursive, datasets }: Mutation, inner: string): boolean {
  return recursive === true && datasets.some(({ name }) => contains(name, inner));
}

/** Snapshots of one pool that were not taken in one transaction: what they hold together never was, all at once. */
function apart(taken: readonly Snapshot[]): string | undefined {
  const moments = new Map<string, string | undefined>();
  for (const { dataset, driver, name, txg } of taken) {
    if (driver !== 'zfs') continue;
    const pool = dataset.split('/')[0] ?? '';
    if (moments.has(pool) && moments.get(pool) !== txg)
      return `${name} is not of the same moment as the other snapshots of ${pool}.`;
    moments.set(pool, txg);
  }
  return undefined;
}
