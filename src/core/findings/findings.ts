import type { MutationId } from '../mutation/mutation.ts';

/** Where the ledger and the storage contradict one another, as the last start that looked found it. */
export interface Findings {
  /** Snapshots and evidence of mutations that the ledger does not know: it was lost, or an older one was put back. */
  readonly unknown: { readonly count: number; readonly names: readonly string[] };
  /** Snapshots that the ledger relies on, and that are gone. */
  readonly missing: { readonly count: number; readonly snapshots: readonly Missing[] };
}

export interface Missing {
  readonly name: string;
  readonly mutation: MutationId;
}

export const NOTHING_FOUND: Findings = { unknown: { count: 0, names: [] }, missing: { count: 0, snapshots: [] } };
