import type { Event } from '../core/event.ts';
import type { MutationId } from '../core/mutation/mutation.ts';
import type { LedgerRecord } from '../ports/ledger.ts';

/** The mutation an event is about: its own, or that of the snapshot or evidence being destroyed. */
export function subjectOf(event: Event): MutationId | undefined {
  if ('mutation' in event) return event.mutation;
  return 'target' in event ? event.target.mutation : undefined;
}

/** Where these records bring mutations into the ledger, which were asked for or rebuilt: id → seq. */
export function requestsIn(records: readonly LedgerRecord[]): ReadonlyMap<MutationId, number> {
  return new Map(
    records.flatMap(({ seq, event }) =>
      event.type === 'requested' || event.type === 'rebuilt' ? [[event.mutation, seq]] : [],
    ),
  );
}

/** A touched mutation that is neither in the ledger nor asked for in the batch: a defect in the caller. */
export function neverRequested(id: MutationId): TypeError {
  return new TypeError(`mutation ${id} was touched, but never requested`);
}
