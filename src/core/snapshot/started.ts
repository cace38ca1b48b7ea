import type { EventBody } from '../event.ts';
import type { Mutation } from '../mutation/mutation.ts';
import { snapshotName } from './name.ts';

/** @param at the time in the snapshots' names: higher than in any before */
export function snapshotStarted(mutation: Mutation, fence: number, at: number): EventBody {
  const { id, node, intent } = mutation;
  const snapshots = mutation.datasets.map((dataset) => {
    const name = snapshotName({ dataset: dataset.name, node, intent, at });
    // The request was denied when its names did not fit, and a later time is not longer.
    if (!name.ok) throw new Error(`${id} was queued with a name that does not fit`);
    return { dataset: dataset.name, driver: dataset.driver, name: name.value, guid: '' };
  });
  return { type: 'snapshot_started', mutation: id, snapshots, namedAt: at, fence };
}
