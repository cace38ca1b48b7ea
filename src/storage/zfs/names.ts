import { createHash } from 'node:crypto';

import type { DatasetName } from '../../core/dataset.ts';
import type { MutationId } from '../../core/mutation/mutation.ts';

/**
 * Where things of hauki's stand in a pool.
 *
 *     tank/crm@PRE_…                 a snapshot, of the dataset it freezes
 *     tank/crm@FAIL_…                a failed state, for the moments until it is evidence
 *     tank/.hauki                    hauki's own dataset in each pool, never mounted
 *     tank/.hauki/<mutation>.<n>.<d> evidence of the nth try, a clone of its PRE snapshot; <d> is a digest of the dataset's name
 *     tank/.hauki/scratch-…          what a self-test tries things on
 */
const CONTAINER = '.hauki';
const SCRATCH = 'scratch-';

/** `tank/a/b` → `tank` */
export function poolOf(dataset: DatasetName): string {
  return dataset.split(/[/@]/, 1)[0] ?? '';
}

/** `tank/a@b` → `tank/a` */
export function datasetOf(snapshot: string): DatasetName {
  return snapshot.slice(0, snapshot.indexOf('@'));
}

/** `tank/a@b` → `@b` */
export function labelOf(snapshot: string): string {
  return snapshot.slice(snapshot.indexOf('@'));
}

export function containerOf(pool: string): DatasetName {
  return `${pool}/${CONTAINER}`;
}

/** Whether a dataset is hauki's own, or a part of what is. */
export function isContained(dataset: DatasetName): boolean {
  const container = containerOf(poolOf(dataset));
  return dataset === container || dataset.startsWith(`${container}/`);
}

export function evidenceDataset(dataset: DatasetName, mutation: MutationId, attempt: number): DatasetName {
  const digest = createHash('sha256').update(dataset).digest('hex').slice(0, 8);
  return `${containerOf(poolOf(dataset))}/${mutation}.${attempt}.${digest}`;
}

export function scratchDataset(pool: string, id: string): DatasetName {
  return `${containerOf(pool)}/${SCRATCH}${id}`;
}

/** hauki's own, and not to be guarded; what a self-test tries things on is. */
export function isProtected(dataset: DatasetName): boolean {
  return isContained(dataset) && !dataset.startsWith(scratchDataset(poolOf(dataset), ''));
}

/** What ZFS takes as the name of a file system or volume: `tank`, `tank/a b/c:d`. */
export function isDatasetName(name: string): boolean {
  const component = /^[A-Za-z0-9_.: -]+$/;
  if (name.length > 255 || !/^[A-Za-z]/.test(name)) return false;
  return name.split('/').every((part) => component.test(part) && part !== '.' && part !== '..');
}
