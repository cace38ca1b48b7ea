import type { Refusal } from '../base/refusal.ts';
import type { Epoch } from './barrier/message.ts';
import type { Broken } from './barrier/round.ts';
import type { Dataset, DatasetName } from './dataset.ts';
import type { FlushedNode, Target } from './event.ts';
import type { Missing } from './findings/findings.ts';
import type { Mutation, MutationId, MutationRequest } from './mutation/mutation.ts';
import type { Candidate } from './retention/retention.ts';
import type { Denial } from './node/denial.ts';
import type { NodePolicy } from './policy/rules.ts';
import type { Evidence, Snapshot } from './snapshot/snapshot.ts';
import type { Scope } from './token/token.ts';

/** What somebody wants, or what an effect answered. The engine stamps time and ids on it, so that deciding stays pure. */
export type Command = { readonly at: number; readonly mono: number } & Facts & CommandBody;

/** What the engine looked up in the ledger for a command. */
export interface Facts {
  /** For `request`: the mutation asked for earlier under the same Idempotency-Key. */
  readonly earlier?: Mutation;
  /** For `rollback`: mutations asked for later on overlapping datasets. */
  readonly newer?: readonly Mutation[];
  /** For `rollback` and `pin`: names of the mutation's snapshots that were destroyed. */
  readonly destroyed?: readonly string[];
  /** For `prune`: the candidates' mutations as they are now; whoever gathered the candidates looked some time ago. */
  readonly owners?: ReadonlyMap<MutationId, Mutation>;
}

/** Which seals the effect of a mutation that ends has closed. */
export interface Closing {
  readonly closed?: readonly DatasetName[];
}

export type CommandBody =
  | {
      readonly type: 'start';
      readonly version: string;
      readonly node: string;
      readonly fenceFloor?: number;
      readonly namedFloor?: number;
    }
  /** What a start found out by holding the ledger against the storage, newest first. */
  | {
      readonly type: 'reconcile';
      readonly unknown: readonly string[];
      readonly missing: readonly Missing[];
      readonly fenceFloor: number;
    }
  | { readonly type: 'tick' }
  /** `unlocated`: why a dataset it names cannot be guarded, found out before. */
  | {
      readonly type: 'request';
      readonly mutation: MutationId;
      readonly request: MutationRequest;
      readonly unlocated?: Refusal;
    }
  | { readonly type: 'renew'; readonly mutation: MutationId; readonly fence: number }
  | { readonly type: 'attach'; readonly mutation: MutationId; readonly fence: number }
  | { readonly type: 'holder_gone'; readonly mutation: MutationId }
  | { readonly type: 'commit'; readonly mutation: MutationId; readonly fence: number }
  /** Without a fence an operator asks. */
  | {
      readonly type: 'rollback';
      readonly mutation: MutationId;
      readonly fence?: number;
      readonly reason?: Refusal;
      /** Of these three: which operator, where that is known; see Named. */
      readonly who?: string;
    }
  | {
      readonly type: 'resolve';
      readonly mutation: MutationId;
      readonly choice: 'commit' | 'rollback';
      readonly who?: string;
    }
  | { readonly type: 'pin'; readonly mutation: MutationId; readonly pinned: boolean; readonly who?: string }
  | { readonly type: 'seal'; readonly dataset: Dataset; readonly sealed: boolean }
  /** `insist`: a person asks, so what the storage refused lately is tried again. */
  | { readonly type: 'prune'; readonly candidates: readonly Candidate[]; readonly insist?: boolean }
  | { readonly type: 'destroy'; readonly target: Target; readonly why: string }
  | {
      readonly type: 'invite';
      readonly node: string;
      /** SHA-256 of the token's secret. */
      readonly digest: string;
      readonly expiresAt: number;
      readonly policy: NodePolicy;
    }
  /** `fingerprint`, `publicKey`: see Member. `expiresAt`: of the certificate it is to get. */
  | {
      readonly type: 'join';
      readonly node: string;
      readonly digest: string;
      readonly fingerprint: string;
      readonly publicKey: string;
      readonly expiresAt: number;
    }
  /** `from`: the fingerprint of the key it asks with. */
  | {
      readonly type: 'rotate';
      readonly node: string;
      readonly from: string;
      readonly fingerprint: string;
      readonly publicKey: string;
      readonly expiresAt: number;
    }
  | { readonly type: 'revoke'; readonly node: string }
  | {
      readonly type: 'issue_token';
      readonly name: string;
      readonly digest: string;
      readonly scopes: readonly Scope[];
      readonly expiresAt?: number;
    }
  | { readonly type: 'revoke_token'; readonly name: string }
  /** A door refused somebody: to be put on record. */
  | ({ readonly type: 'report_denial' } & Denial)
  | { readonly type: 'halt_answered'; readonly mutation: MutationId; readonly answer: Answer<readonly FlushedNode[]> }
  | { readonly type: 'verify_answered'; readonly mutation: MutationId; readonly answer: Answer<void> }
  /** A barrier that was verified, and is held, is not any more. */
  | { readonly type: 'hold_broke'; readonly epoch: Epoch; readonly nodes: readonly Broken[] }
  | { readonly type: 'snapshot_answered'; readonly mutation: MutationId; readonly answer: Answer<readonly Snapshot[]> }
  | ({ readonly type: 'withdraw_answered'; readonly mutation: MutationId; readonly answer: Answer<void> } & Closing)
  | { readonly type: 'stop_answered'; readonly mutation: MutationId; readonly answer: Answer<unknown> }
  | ({ readonly type: 'commit_answered'; readonly mutation: MutationId; readonly answer: Answer<void> } & Closing)
  | ({
      readonly type: 'rollback_answered';
      readonly mutation: MutationId;
      readonly attempt: number;
      readonly answer: Answer<readonly Evidence[]>;
    } & Closing)
  | {
      readonly type: 'seal_answered';
      readonly dataset: Dataset;
      readonly sealed: boolean;
      readonly answer: Answer<void>;
    }
  | { readonly type: 'destroy_answered'; readonly target: Target; readonly answer: Answer<void> };

/**
 * How an effect ended. `unknown` is not `refused`: the storage did not say in time, and what was asked may yet come true.
 * A final answer can still follow.
 */
export type Answer<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'refused'; readonly reason: Refusal }
  | { readonly kind: 'unknown'; readonly reason: Refusal };
