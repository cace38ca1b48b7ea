import type { Refusal } from '../base/refusal.ts';
import type { Traceparent } from '../base/traceparent.ts';
import type { DatasetName, DriverName } from './dataset.ts';
import type { Findings } from './findings/findings.ts';
import type { MutationId, MutationRequest, Stage } from './mutation/mutation.ts';
import type { Denial } from './node/denial.ts';
import type { NodePolicy } from './policy/rules.ts';
import type { Evidence, Snapshot } from './snapshot/snapshot.ts';
import type { Scope } from './token/token.ts';

/**
 * What happened: the ledger's records. Facts in the past tense, complete enough that the state follows from them alone.
 *
 * `at` is wall clock (ms since the epoch, never going backwards), for people. `mono` is the running controller's monotonic
 * clock (ms), for leases: `controller_started` re-bases every deadline, because a monotonic clock means nothing after a restart.
 * `traceparent` is that of the mutation it is about, where its caller said one: whoever hears of a step alone knows the trace.
 */
export type Event = { readonly at: number; readonly mono: number; readonly traceparent?: Traceparent } & EventBody;

export type EventBody =
  /** The floors: what a ledger without records begins above, because the storage remembers more than it does. */
  | {
      readonly type: 'controller_started';
      readonly version: string;
      readonly node: string;
      readonly fenceFloor?: number;
      readonly namedFloor?: number;
      /** Leases begin anew. Not there: in ledgers from before that, where the wall clock said what was left of them. */
      readonly leases?: 'whole';
    }
  | ({ readonly type: 'reconciled'; readonly fenceFloor?: number } & Findings)
  /** A mutation as the storage tells of it, brought into a ledger that was lost. */
  | {
      readonly type: 'rebuilt';
      readonly mutation: MutationId;
      readonly request: MutationRequest;
      readonly stage: Extract<Stage, 'committed' | 'rolled_back' | 'quarantined'>;
      readonly snapshots: readonly Snapshot[];
      readonly fence: number;
      /** The time in its snapshots' names, ms: also when it was asked for, as far as anybody still knows. */
      readonly clearedAt: number;
      readonly evidence: readonly Evidence[];
      readonly attempt: number;
      readonly reason?: Refusal;
    }
  | { readonly type: 'requested'; readonly mutation: MutationId; readonly request: MutationRequest }
  | { readonly type: 'denied'; readonly mutation: MutationId; readonly reason: Refusal }
  | { readonly type: 'cancelled'; readonly mutation: MutationId; readonly reason: Refusal }
  /** HALT AND FLUSH goes out to these nodes; the barrier's epoch is the fence. */
  | {
      readonly type: 'halt_started';
      readonly mutation: MutationId;
      readonly fence: number;
      readonly nodes: readonly string[];
    }
  /** Every node has flushed and is halted. */
  | { readonly type: 'flushed'; readonly mutation: MutationId; readonly nodes: readonly FlushedNode[] }
  | {
      readonly type: 'snapshot_started';
      readonly mutation: MutationId;
      readonly snapshots: readonly Snapshot[];
      readonly namedAt: number;
      readonly fence: number;
    }
  /** The master snapshot was read back; whether the nodes stayed halted for it is not known yet. */
  | { readonly type: 'master_taken'; readonly mutation: MutationId; readonly snapshots: readonly Snapshot[] }
  | {
      readonly type: 'withdraw_started';
      readonly mutation: MutationId;
      readonly into: 'denied' | 'cancelled';
      readonly reason: Refusal;
    }
  | {
      readonly type: 'cleared';
      readonly mutation: MutationId;
      readonly snapshots: readonly Snapshot[];
      readonly expiresAt: number;
    }
  | { readonly type: 'renewed'; readonly mutation: MutationId; readonly expiresAt: number }
  | { readonly type: 'holder_lost'; readonly mutation: MutationId; readonly untilMs: number }
  | { readonly type: 'holder_back'; readonly mutation: MutationId }
  | ({ readonly type: 'commit_started'; readonly mutation: MutationId; readonly by: Actor } & Named)
  | { readonly type: 'committed'; readonly mutation: MutationId; readonly by: Actor }
  | ({
      readonly type: 'rollback_started';
      readonly mutation: MutationId;
      readonly attempt: number;
      readonly by: Actor;
      readonly reason?: Refusal;
    } & Named)
  | { readonly type: 'rolled_back'; readonly mutation: MutationId; readonly evidence: readonly Evidence[] }
  | { readonly type: 'quarantined'; readonly mutation: MutationId; readonly reason: Refusal }
  | { readonly type: 'holder_stopped'; readonly mutation: MutationId }
  | ({ readonly type: 'pinned'; readonly mutation: MutationId; readonly pinned: boolean } & Named)
  | {
      readonly type: 'seal_started';
      readonly dataset: DatasetName;
      readonly driver: DriverName;
      readonly sealed: boolean;
      /** See Dataset.at. */
      readonly place?: string;
    }
  | { readonly type: 'sealed'; readonly dataset: DatasetName; readonly driver: DriverName }
  | { readonly type: 'unsealed'; readonly dataset: DatasetName }
  | { readonly type: 'seal_refused'; readonly dataset: DatasetName; readonly reason: Refusal }
  | { readonly type: 'destroy_started'; readonly target: Target; readonly why: string }
  | { readonly type: 'destroyed'; readonly target: Target }
  | { readonly type: 'destroy_refused'; readonly target: Target; readonly reason: Refusal }
  | {
      readonly type: 'node_invited';
      readonly node: string;
      readonly digest: string;
      readonly expiresAt: number;
      readonly policy: NodePolicy;
    }
  | { readonly type: 'node_uninvited'; readonly node: string }
  /** Its policy is that of its invitation. */
  | {
      readonly type: 'node_joined';
      readonly node: string;
      readonly digest: string;
      readonly fingerprint: string;
      readonly publicKey: string;
      readonly expiresAt: number;
    }
  | {
      readonly type: 'node_rotated';
      readonly node: string;
      readonly fingerprint: string;
      readonly publicKey: string;
      readonly expiresAt: number;
    }
  | { readonly type: 'node_revoked'; readonly node: string }
  | {
      readonly type: 'token_issued';
      readonly name: string;
      readonly digest: string;
      readonly scopes: readonly Scope[];
      readonly expiresAt?: number;
    }
  | { readonly type: 'token_revoked'; readonly name: string; readonly digest: string }
  | ({ readonly type: 'access_denied' } & Denial);

export interface FlushedNode {
  readonly node: string;
  /** From HALT to the node's word, ms. */
  readonly tookMs: number;
}

/** Who caused a step: the lease's holder, a person at the controller, or the controller itself. */
export type Actor = 'holder' | 'operator' | 'controller';

/** Which operator, where more is known of one than that he may: `token ci`, `IRC account alice`, `IRC signer alice`. */
interface Named {
  readonly who?: string;
}

/** Something of hauki's own on the storage that can be destroyed: a PRE snapshot, or the evidence of a rollback. */
export interface Target {
  readonly kind: 'snapshot' | 'evidence';
  readonly mutation: MutationId;
  readonly dataset: DatasetName;
  readonly driver: DriverName;
  readonly name: string;
  /** Of evidence: the snapshot that cannot be destroyed before it. */
  readonly restsOn?: string;
}
