import type { DatasetName, DriverName } from '../dataset.ts';

/** A frozen state. Until it was read back from the storage, `guid` is empty. */
export interface Snapshot {
  readonly dataset: DatasetName;
  readonly driver: DriverName;
  /** `<dataset>@PRE_<node>_<intent slug>_<YYYYMMDD>_<HHMMSS>_<mmm>` */
  readonly name: string;
  /** The storage's own identity of the snapshot: ZFS guid, btrfs subvolume UUID, the directory driver's digest. */
  readonly guid: string;
  /** Order within the pool where the storage has one: ZFS createtxg, btrfs generation. */
  readonly txg?: string;
  /** Wall clock of the storage host, ms since the epoch. */
  readonly createdAt?: number;
}

/** The failed state that a rollback kept. */
export interface Evidence {
  readonly dataset: DatasetName;
  readonly driver: DriverName;
  /** `<dataset>@FAIL_…`, unique */
  readonly name: string;
  /** Where a person can look at it. */
  readonly path: string;
}
