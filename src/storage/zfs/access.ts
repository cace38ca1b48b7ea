import type { Refusal } from '../../base/refusal.ts';
import type { Result } from '../../base/result.ts';
import type { DatasetName } from '../../core/dataset.ts';

/** A snapshot to be taken, by its full name. */
export interface Wanted {
  readonly dataset: DatasetName;
  readonly name: string;
}

/** Snapshots that belong together: all of them or none, of one moment. All in one pool. */
export interface ClearRequest {
  readonly mutation: string;
  readonly snapshots: readonly Wanted[];
  /** With every dataset inside, but for hauki's own. */
  readonly recursive: boolean;
  /** User properties that each of them gets. */
  readonly properties: Readonly<Record<string, string>>;
}

/** A snapshot as the pool shows it after it was taken. */
export interface Taken extends Wanted {
  readonly guid: string;
  readonly txg: string;
  /** Seconds since the epoch. */
  readonly creation: number;
}

/** What stands in a pool around a rollback. */
export interface Survey {
  readonly type: 'filesystem' | 'volume';
  /** The snapshot to go back to; undefined when it is not there. */
  readonly pre: { readonly guid: string; readonly txg: string } | undefined;
  /** Whether the failed state was kept already, by a call that was broken off. */
  readonly kept: boolean;
  /**
   * True when the pool itself knows that not a block was written since: then the dataset is what the snapshot is. Where it cannot tell, or
   * something was written, only a comparison does.
   */
  readonly unchanged: boolean;
  /** Whether hauki's own dataset is there to keep it in. */
  readonly container: boolean;
  /** Snapshots and bookmarks that are newer than the one to go back to: a rollback of the pool's would destroy them. */
  readonly newer: readonly Newer[];
}

export interface Newer {
  readonly name: string;
  /** One of this controller's own. */
  readonly own: boolean;
  readonly holds: readonly string[];
  readonly clones: readonly string[];
}

export interface SurveyRequest {
  readonly dataset: DatasetName;
  readonly pre: string;
  /** Where the failed state is kept in the end. */
  readonly evidence: DatasetName;
  /** Freezes the failed state, unless that was done before. */
  readonly fail?: { readonly name: string; readonly properties: Readonly<Record<string, string>> };
}

/** Why one snapshot could not be destroyed. */
export interface Obstacle {
  readonly code: 'held' | 'clones' | 'foreign' | 'failed';
  readonly names: readonly string[];
}

/**
 * What hauki asks of one pool. Two ways to it: channel programs (by-program.ts), which do many things in one transaction group, and
 * plain commands (by-command.ts), for users who have been allowed some things, and for pools that are too old.
 */
export interface Access {
  /** Freezes what each of the requests wants. One that is refused does not take the others with it. */
  clear(requests: readonly ClearRequest[]): Promise<readonly Result<readonly Taken[], Refusal>[]>;

  /** Refused when the dataset is not there (`dataset_missing`), or the failed state could not be frozen. */
  survey(request: SurveyRequest): Promise<Result<Survey, Refusal>>;

  /** Destroys snapshots of hauki's own, each for itself; undefined for one that is gone. */
  destroy(names: readonly string[]): Promise<readonly (Obstacle | undefined)[]>;

  /** Sets one user property on each of these snapshots; those that are gone are passed over. */
  mark(property: string, values: readonly { readonly name: string; readonly value: string }[]): Promise<void>;
}
