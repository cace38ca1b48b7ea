import type { Refusal } from '../base/refusal.ts';
import type { DatasetName, DriverName } from './dataset.ts';
import type { Target } from './event.ts';
import { type Findings, NOTHING_FOUND } from './findings/findings.ts';
import type { Mutation, MutationId } from './mutation/mutation.ts';
import type { Invitation, Member } from './node/member.ts';
import type { Pace } from './node/pace.ts';
import type { ApiToken } from './token/token.ts';

/**
 * Everything decisions rest on. Holds the mutations that are not final, in the order they were asked for, plus those a command
 * in hand is about; the rest stands in the ledger.
 */
export interface State {
  readonly mutations: ReadonlyMap<MutationId, Mutation>;
  readonly counters: Counters;
  readonly seals: ReadonlyMap<DatasetName, Seal>;
  /** What is being destroyed, by its name on the storage. */
  readonly condemned: ReadonlyMap<string, Target>;
  /** What the storage would not destroy, by its name there, and when it said so (wall clock, ms): of the last day. */
  readonly stuck: ReadonlyMap<string, number>;
  readonly findings: Findings;
  /** Who has joined the mesh, by name; those revoked too. */
  readonly nodes: ReadonlyMap<string, Member>;
  /** Join tokens given out and not used, by the node's name. */
  readonly invitations: ReadonlyMap<string, Invitation>;
  /** API tokens by their digest. */
  readonly tokens: ReadonlyMap<string, ApiToken>;
  /** How often each node asked lately, by name. */
  readonly pace: ReadonlyMap<string, Pace>;
}

/** Numbers that only grow, whatever is pruned or compacted. */
export interface Counters {
  /** The highest fencing token ever given. */
  readonly fence: number;
  /** The wall clock of the newest event, ms. */
  readonly at: number;
  /** The highest time ever put into a snapshot's name, ms: no two names are alike, whatever the clock does. */
  readonly namedAt: number;
}

/**
 * `wanted` is what a person asked for; `settled` is false until the storage has answered.
 * A sealed dataset is writable only while a mutation is cleared on it.
 */
export interface Seal {
  readonly driver: DriverName;
  /** See Dataset.at. */
  readonly place?: string;
  readonly wanted: boolean;
  readonly settled: boolean;
  /** Whether the storage said once that it holds, or never said what became of a try: then a refusal proves nothing. */
  readonly mayHold: boolean;
  readonly reason?: Refusal;
}

export const EMPTY: State = {
  mutations: new Map(),
  counters: { fence: 0, at: 0, namedAt: 0 },
  seals: new Map(),
  condemned: new Map(),
  stuck: new Map(),
  findings: NOTHING_FOUND,
  nodes: new Map(),
  invitations: new Map(),
  tokens: new Map(),
  pace: new Map(),
};
