import type { Refusal } from '../base/refusal.ts';
import type { Result } from '../base/result.ts';
import type { Dataset, DatasetName, DriverName } from '../core/dataset.ts';
import type { FinalStage, Mode, Mutation, MutationId } from '../core/mutation/mutation.ts';
import type { Evidence, Snapshot } from '../core/snapshot/snapshot.ts';

/**
 * A storage backend. Every method can be called again after a crash in the middle of it and then finishes the job:
 * that is what recovery rests on. Whatever is refused is refused whole. Expected failures come back as a Refusal;
 * a throw means a defect or an answer that is unknown.
 *
 * Calls for different datasets may run at the same time; the engine never runs two for one mutation at once.
 */
export interface Storage {
  /**
   * @param target what a caller named: an absolute path, or a dataset name of the backend's own
   * @returns undefined when it is not this backend's; a refusal when it is, but cannot be guarded
   */
  locate(target: string): Promise<Result<Dataset, Refusal> | undefined>;

  /**
   * Freezes all the datasets named, or none: each snapshot exists, was read back, and carries its properties before this returns.
   * Asked again for the same mutation, it returns the same snapshots.
   */
  snapshot(request: SnapshotRequest): Promise<Result<readonly Snapshot[], Refusal>>;

  /**
   * Removes whatever `snapshot` may have left behind for a mutation that was never cleared. Nothing there is fine.
   *
   * @param drivers the backends its datasets belong to, where that is known: trouble with another is not its own
   */
  discard(mutation: MutationId, drivers?: ReadonlySet<DriverName>): Promise<Result<void, Refusal>>;

  /** What a rollback to this snapshot would meet, by name. Changes nothing. */
  plan(snapshot: Snapshot): Promise<Result<RollbackPlan, Refusal>>;

  /**
   * Puts the dataset back to the snapshot, byte for byte, the failed state kept first. Nothing but this mutation's own is
   * destroyed. Returns only after the result was compared with the snapshot. The snapshot itself stays.
   *
   * @param request.attempt counts tries that a person began; a call repeated after a crash has the same number and takes no second evidence
   */
  rollback(request: RollbackRequest): Promise<Result<Evidence, Refusal>>;

  /** What differs between a snapshot and a later one, or the live state. Paths relative to the dataset's root. */
  diff(from: Snapshot, to: Snapshot | Evidence | 'live'): Promise<Result<Changes, Refusal>>;

  /** Every snapshot and evidence of hauki's own in this backend's store, told by the storage alone. */
  list(): Promise<readonly Stored[]>;

  /** Destroys one snapshot or evidence of hauki's own. Not there any more is fine. */
  destroy(stored: Pick<Stored, 'kind' | 'driver' | 'name' | 'mutation' | 'dataset'>): Promise<Result<void, Refusal>>;

  /**
   * What destroying all of these together would free, in bytes; undefined where the storage cannot tell without reading everything.
   * More than the sum of their `bytes`: what two snapshots share is freed only when both go.
   */
  reclaimable(stored: readonly Pick<Stored, 'kind' | 'driver' | 'name' | 'dataset'>[]): Promise<number | undefined>;

  /**
   * Brings what only accompanies mutations in line with how they stand: the snapshots of open ones are kept from being destroyed
   * by others and say nothing of an outcome (a committed mutation that is rolled back later is open again), those of ended ones
   * are let go and told how it ended, and what a rollback that nobody wants any more left behind is removed. Called at the start and
   * after changes, never twice at once; always with all that are open. What does not succeed is tried again with the next call.
   * Rejects when something could not be done, after all the rest was.
   *
   * @param open every mutation that is not final
   * @param ended final ones that may not have been told yet, each named at least once, but for those that never froze anything
   */
  tend(open: readonly Mutation[], ended: readonly Mutation[]): Promise<void>;

  /** Makes a dataset read-only for everybody (true), or writable again. `seal_unsupported` where it could not be enforced. */
  seal(dataset: DatasetName, sealed: boolean): Promise<Result<void, Refusal>>;

  /** An empty dataset to try things on (self-test, conformance); undefined where this host cannot have one. */
  scratch(): Promise<Scratch | undefined>;
}

/** One backend. The engine sees a Storage, made of all that a host has (src/storage/registry.ts). */
export interface StorageDriver extends Storage {
  readonly driver: DriverName;

  /** What this backend can do on this host, found out by looking. Never throws: what cannot be found out is a limit. */
  inspect(): Promise<Inspection>;
}

export interface SnapshotRequest {
  readonly mutation: MutationId;
  /** @property driver whose dataset it is, where that was found out before */
  readonly snapshots: readonly { readonly dataset: DatasetName; readonly name: string; readonly driver?: DriverName }[];
  /** With every dataset inside the ones named, all of one moment; they come back too, after those that were named. */
  readonly recursive?: boolean;
  readonly properties: SnapshotProperties;
}

/** Stands with the snapshot on the storage (`hauki:intent` …), so that after a lost ledger the storage alone tells the story. */
export interface SnapshotProperties {
  readonly intent: string;
  readonly mutation: MutationId;
  readonly node: string;
  readonly mode: Mode;
  readonly fence: number;
}

export interface RollbackRequest {
  readonly snapshot: Snapshot;
  readonly properties: SnapshotProperties;
  readonly evidenceName: string;
  readonly attempt: number;
}

export interface RollbackPlan {
  readonly dataset: DatasetName;
  readonly snapshot: string;
  /** What would change back. */
  readonly changes: Changes;
  /** Processes with files of the dataset open, or standing in it. */
  readonly openFiles: readonly { readonly pid: number; readonly command: string; readonly path: string }[];
  /** Things that forbid the rollback: newer foreign snapshots, clones, holds … Empty: nothing stands in the way. */
  readonly blockers: readonly { readonly kind: string; readonly name: string; readonly why: string }[];
  /** What will be done, step by step, in words for people. */
  readonly steps: readonly string[];
}

/** Paths are UTF-8 text; bytes that are none are written `\xNN`, a backslash `\\`. Sorted. */
export interface Changes {
  readonly added: readonly string[];
  readonly modified: readonly string[];
  readonly removed: readonly string[];
}

export interface Stored extends SnapshotProperties {
  readonly kind: 'snapshot' | 'evidence';
  readonly driver: DriverName;
  readonly dataset: DatasetName;
  readonly name: string;
  /** As in Snapshot. */
  readonly guid: string;
  readonly txg?: string;
  readonly createdAt: number;
  /** How the mutation ended, where the storage was told (see `tend`). */
  readonly outcome?: FinalStage;
  /** Of evidence: the snapshot that cannot be destroyed before it. */
  readonly restsOn?: string;
  /** Where a person can look at it. */
  readonly path?: string;
  /** What destroying it would free, where the storage knows without reading everything. */
  readonly bytes?: number;
}

export interface Inspection {
  readonly driver: DriverName;
  readonly available: boolean;
  /** What works, each a short sentence. */
  readonly can: readonly string[];
  /** What does not, and how to get it. */
  readonly limits: readonly { readonly what: string; readonly fix: string }[];
}

export interface Scratch {
  readonly dataset: Dataset;
  /** Where its files are. */
  readonly path: string;
  /** Removes the dataset and all its snapshots and evidence. */
  remove(): Promise<void>;
}
