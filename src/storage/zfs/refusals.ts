import { userInfo } from 'node:os';

import { refusal, type Refusal } from '../../base/refusal.ts';
import type { DatasetName } from '../../core/dataset.ts';
import { type Failure, ofErrno } from '../../wire/zfs/failure.ts';

/** What ZFS says, as hauki's answers: what was attempted on what, why it did not work, and what to do about it. */

const ENAMETOOLONG = 36;

/** The pool itself is not to be had; undefined when that was not the matter. */
export function poolRefusal(pool: string, { kind, message }: Failure): Refusal | undefined {
  if (kind !== 'pool_gone' && kind !== 'missing') return undefined;
  return refusal(
    'dataset_missing',
    `The pool ${pool} is not there: ${message}.`,
    `Import it ("zpool import ${pool}"), then ask again.`,
  );
}

/** A snapshot that a channel program could not take. */
export function snapshotRefusal(of: {
  readonly errno: number;
  readonly name: string;
  readonly free?: number | undefined;
  readonly kept?: number | undefined;
}): Refusal {
  const { errno, name, free, kept } = of;
  const failed = (why: string, hint?: string) =>
    refusal('snapshot_failed', `The snapshot ${name} could not be taken: ${why}.`, hint);
  if (errno === ENAMETOOLONG) return failed('its name is longer than ZFS allows', 'Guard it without --recursive.');
  const { kind, message } = ofErrno(errno);
  switch (kind) {
    case 'missing':
      return refusal('dataset_missing', `There is no dataset ${name}.`);
    case 'space':
      return lowSpace(name.split('@', 1)[0] ?? name, free, kept);
    case 'exists':
      return failed('there is one of that name already, and it is not of this mutation');
    default:
      return failed(message);
  }
}

export function lowSpace(dataset: string, free?: number, kept?: number): Refusal {
  const detail =
    free === undefined || kept === undefined
      ? 'is full'
      : `has ${mebibytes(free)} free, and ${mebibytes(kept)} are left to others`;
  return refusal('low_space', `${dataset} ${detail}: no snapshot is taken.`);
}

/** There is no way around it: a pool that is full keeps no failed state. */
export const FREE_SPACE = 'Free space in the pool, or give it more, then "hauki resolve M --rollback".';

/** Without the failed state kept, nothing is rolled back. */
export function cannotFail(dataset: DatasetName, cause: Refusal): Refusal {
  if (cause.code === 'dataset_missing') return cause;
  return refusal(
    'rollback_failed',
    `${dataset} is not put back, because its failed state could not be kept first: ${cause.message}`,
    cause.code === 'low_space' ? FREE_SPACE : undefined,
    { cause: cause.code },
  );
}

/** The rights that guarding takes, in the order of `zfs allow`. */
export const RIGHTS = [
  'destroy',
  'diff',
  'hold',
  'mount',
  'readonly',
  'release',
  'rollback',
  'send',
  'snapshot',
  'userprop',
] as const;

/** The same for hauki's own dataset in the pool, where evidence lies. */
export const CONTAINER_RIGHTS = [
  'canmount',
  'create',
  'destroy',
  'diff',
  'mount',
  'mountpoint',
  'readonly',
  'receive',
  'snapshot',
  'userprop',
] as const;

/** "Permission denied the ZFS utilities must be run as root", as an answer that says what is needed. */
export function notAllowed(
  code: 'snapshot_failed' | 'rollback_failed' | 'seal_failed',
  attempted: string,
  dataset: DatasetName,
  rights: readonly string[],
): Refusal {
  const user = userInfo().username;
  return refusal(
    code,
    `"${attempted}" is not allowed to the user ${user}.`,
    `As root: ${allowLine(user, rights, dataset)}. "hauki doctor" shows what is missing; or run the controller as root.`,
    { dataset, rights: [...rights] },
  );
}

export function allowLine(user: string, rights: readonly string[], dataset: DatasetName): string {
  return `zfs allow ${user} ${rights.join(',')} ${dataset}`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
