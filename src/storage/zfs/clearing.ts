import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Snapshot } from '../../core/snapshot/snapshot.ts';
import type { SnapshotRequest } from '../../ports/storage.ts';
import { gather } from '../gather.ts';
import type { Syscalls } from '../tree/syscalls.ts';
import type { Access, ClearRequest, Taken } from './access.ts';
import { poolOf } from './names.ts';
import { told } from './properties.ts';
import { settle } from './volume.ts';

/** Requests that share one transaction group. */
const CLEAR_MAX = 64;
/** More than that `zfs set` refuses, and `zfs snapshot -o` breaks off at. */
const PROPERTY_BYTES_MAX = 8191;

export interface ClearingParts {
  /** HAUKI_HOME: whose snapshots these are. */
  readonly home: string;
  readonly accessOf: (pool: string) => Promise<Access>;
  readonly sys: () => Promise<Syscalls>;
  /** Removes all that was taken for a mutation. */
  readonly discard: (mutation: string) => Promise<Result<void, Refusal>>;
}

/** Freezes what requests name: together what waits at a moment, pool by pool, and each request all or nothing. */
export class Clearing {
  readonly #parts: ClearingParts;
  readonly #clearers = new Map<string, (request: ClearRequest) => Promise<Result<readonly Taken[], Refusal>>>();

  constructor(parts: ClearingParts) {
    this.#parts = parts;
  }

  async snapshot(request: SnapshotRequest): Promise<Result<readonly Snapshot[], Refusal>> {
    const { mutation, snapshots, recursive = false, properties } = request;
    const datasets = snapshots.map(({ dataset }) => (recursive ? `${dataset}/` : dataset));
    const tale = told({ kind: 'snapshot', home: this.#parts.home, datasets, properties });
    const long = Object.values(tale).find((value) => Buffer.byteLength(value) > PROPERTY_BYTES_MAX);
    if (long !== undefined) {
      const message = `The names of ${datasets.length} datasets together do not fit into a property of ZFS.`;
      return err(refusal('name_too_long', message, 'Guard fewer at once, or one that contains them with --recursive.'));
    }
    for (const { dataset } of snapshots) {
      const unsettled = await settle(dataset, this.#parts.sys, { recursive });
      if (unsettled !== undefined) return err(unsettled);
    }
    const taken: Taken[] = [];
    for (const pool of new Set(snapshots.map(({ dataset }) => poolOf(dataset)))) {
      const wanted = snapshots.filter(({ dataset }) => poolOf(dataset) === pool);
      const part = await this.#clearer(pool)({ mutation, snapshots: wanted, recursive, properties: tale });
      if (!part.ok) {
        // All or none: what other pools have taken goes again.
        if (taken.length > 0) await this.#parts.discard(mutation);
        return part;
      }
      const moments = new Set(part.value.map(({ txg }) => txg));
      if (moments.size > 1) {
        await this.#parts.discard(mutation);
        return err(
          refusal(
            'snapshot_failed',
            `The snapshots of ${mutation} in ${pool} are not of one moment: ${[...moments].join(', ')}.`,
          ),
        );
      }
      taken.push(...part.value);
    }
    const order = new Map(snapshots.map(({ name }, index) => [name, index]));
    const place = ({ name }: Taken): number => order.get(name) ?? snapshots.length;
    return ok(
      taken
        .toSorted((a, b) => place(a) - place(b))
        .map(({ dataset, name, guid, txg, creation }) => {
          return { dataset, driver: 'zfs', name, guid, txg, createdAt: creation * 1000 };
        }),
    );
  }

  #clearer(pool: string): (request: ClearRequest) => Promise<Result<readonly Taken[], Refusal>> {
    const known = this.#clearers.get(pool);
    if (known !== undefined) return known;
    const made = gather<ClearRequest, Result<readonly Taken[], Refusal>>(
      async (requests) => (await this.#parts.accessOf(pool)).clear(requests),
      CLEAR_MAX,
    );
    this.#clearers.set(pool, made);
    return made;
  }
}
