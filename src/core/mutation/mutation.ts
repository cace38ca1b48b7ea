import type { Refusal } from '../../base/refusal.ts';
import type { Traceparent } from '../../base/traceparent.ts';
import type { Dataset, DatasetName } from '../dataset.ts';
import type { Evidence, Snapshot } from '../snapshot/snapshot.ts';

/** A UUIDv7: sorts by the time of the request. */
export type MutationId = string;

/**
 * Where a mutation stands.
 *
 *   queued → [halting] → snapshotting → [verifying] → cleared → committing → committed
 *     │          │            │              │           └────→ rolling_back → rolled_back
 *     │          │            │              │                       └───────→ quarantined → (a person resolves) committing | rolling_back
 *     │          └────────────┴──────────────┴→ withdrawing → denied | cancelled
 *     └→ denied | cancelled
 *
 * A committed mutation can be rolled back later: it takes its locks again and goes through `rolling_back`.
 *
 * `queued` waits for its locks, first come first served. From then on it holds them, until it is final. A critical one goes through a
 * barrier: `halting` until every node has flushed, `verifying` until every node has said that it stayed halted for the snapshot.
 * `withdrawing` removes what a snapshot that was never granted may have left. `committing` seals again what had been opened.
 */
export const STAGES = [
  'queued',
  'halting',
  'snapshotting',
  'verifying',
  'cleared',
  'committing',
  'withdrawing',
  'rolling_back',
  'quarantined',
  'committed',
  'rolled_back',
  'denied',
  'cancelled',
] as const;

export type Stage = (typeof STAGES)[number];

export type FinalStage = Extract<Stage, 'committed' | 'rolled_back' | 'denied' | 'cancelled'>;

const FINAL: ReadonlySet<Stage> = new Set(['committed', 'rolled_back', 'denied', 'cancelled']);
const LOCKING: ReadonlySet<Stage> = new Set(STAGES.filter((stage) => stage !== 'queued' && !FINAL.has(stage)));

/** What happens to a mutation whose lease ran out or whose holder died. */
export type OnExpiry = 'rollback' | 'quarantine';

export type Mode = 'standard' | 'critical';

/** What a caller asks for, already checked and stamped. All durations in milliseconds. */
export interface MutationRequest {
  readonly node: string;
  /** The caller's own words, 1 to 512 characters, kept whole. */
  readonly intent: string;
  readonly datasets: readonly Dataset[];
  readonly mode: Mode;
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly onExpiry: OnExpiry;
  /** True when the grant lives no longer than the caller's connection: `hauki guard`. */
  readonly attached: boolean;
  /** With every dataset inside those named, all frozen at one moment. */
  readonly recursive?: true;
  /** Critical mode: the nodes stay halted until the mutation has ended. */
  readonly hold?: true;
  /** Critical mode: nodes that may be missing. */
  readonly allowMissing?: readonly string[];
  /** Critical mode: how long the nodes have for their flush. */
  readonly flushMs?: number;
  /** The file name of the task that is to run under it, where a node's Shadow Writer asks. */
  readonly task?: string;
  /** The trace that its caller's work is part of. */
  readonly traceparent?: Traceparent;
  /** The caller's Idempotency-Key, and a digest of what it asked under it. */
  readonly key?: string;
  readonly keyDigest?: string;
}

export interface Mutation extends MutationRequest {
  readonly id: MutationId;
  readonly stage: Stage;
  /** Wall clock, ms since the epoch; never goes backwards within one ledger. */
  readonly requestedAt: number;
  readonly endedAt?: number;
  /** Monotonic ms of the running controller after which a queued mutation is denied. */
  readonly waitUntilMono: number;
  /** The names are set when snapshotting begins, guid and createdAt when it is cleared. */
  readonly snapshots: readonly Snapshot[];
  readonly fence?: number;
  /** Critical mode: the nodes that its barrier halts. The barrier's epoch is the fence. */
  readonly participants?: readonly string[];
  readonly clearedAt?: number;
  /** End of the lease: wall clock for people, monotonic for decisions. */
  readonly expiresAt?: number;
  readonly expiresMono?: number;
  /** Set while the holder's connection is gone; it may come back until then. */
  readonly holderLostUntilMono?: number;
  /** In quarantine: the processes of the holder that lost its clearance have ended. */
  readonly holderStopped?: boolean;
  /** Counts rollbacks begun, so that a second try keeps evidence of its own. */
  readonly attempt: number;
  /** Why it was denied, cancelled, rolled back or quarantined. */
  readonly reason?: Refusal | undefined;
  readonly evidence: readonly Evidence[];
  readonly pinned: boolean;
  /** Restored from what the storage told after the ledger was lost: not what was recorded when it happened. */
  readonly rebuilt?: true;
}

export function isFinal(mutation: Pick<Mutation, 'stage'>): boolean {
  return FINAL.has(mutation.stage);
}

export function holdsLocks(mutation: Pick<Mutation, 'stage'>): boolean {
  return LOCKING.has(mutation.stage);
}

export function datasetNames(mutation: Pick<Mutation, 'datasets'>): DatasetName[] {
  return mutation.datasets.map((dataset) => dataset.name);
}
