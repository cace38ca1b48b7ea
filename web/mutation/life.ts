import type { RecordView } from '../../src/wire/http.ts';

/** A step of a mutation's life that somebody looking back cares for. */
export interface Step {
  readonly type: string;
  readonly words: string;
  readonly at: string;
  /** Since the step before, ms. */
  readonly afterMs: number;
}

const STEPS: Readonly<Record<string, string>> = {
  requested: 'Asked',
  halt_started: 'Halting the mesh',
  flushed: 'Flushed',
  snapshot_started: 'Freezing',
  master_taken: 'Master snapshot',
  cleared: 'Cleared',
  holder_lost: 'Holder gone',
  holder_back: 'Holder back',
  commit_started: 'Committing',
  committed: 'Committed',
  withdraw_started: 'Withdrawing',
  rollback_started: 'Rolling back',
  rolled_back: 'Rolled back',
  quarantined: 'Quarantined',
  denied: 'Denied',
  cancelled: 'Cancelled',
  rebuilt: 'Rebuilt',
};

/** The steps among a mutation's records, in order. */
export function lifeOf(records: readonly Pick<RecordView, 'type' | 'at'>[]): readonly Step[] {
  const steps: Step[] = [];
  for (const { type, at } of records) {
    const words = STEPS[type];
    if (words === undefined) continue;
    const before = steps.at(-1);
    steps.push({ type, words, at, afterMs: before === undefined ? 0 : Date.parse(at) - Date.parse(before.at) });
  }
  return steps;
}
