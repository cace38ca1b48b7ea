import { anyOverlapping } from '../src/core/dataset.ts';
import type { Event } from '../src/core/event.ts';
import { datasetNames, type Mutation, type MutationId, type Stage } from '../src/core/mutation/mutation.ts';

/* What design.md says of facts and mutations by themselves, and their words for the trace. */

export type MutationEvent = Extract<Event, { mutation: MutationId }>;

/** From which stages each fact about a mutation may come. */
export const FROM: Readonly<
  Record<Exclude<MutationEvent['type'], 'requested' | 'rebuilt' | 'pinned'>, readonly Stage[]>
> = {
  halt_started: ['queued'],
  flushed: ['halting'],
  snapshot_started: ['queued', 'halting'],
  master_taken: ['snapshotting'],
  denied: ['queued', 'withdrawing'],
  cancelled: ['queued', 'withdrawing'],
  withdraw_started: ['halting', 'snapshotting', 'verifying'],
  cleared: ['snapshotting', 'verifying'],
  renewed: ['cleared'],
  holder_lost: ['cleared'],
  holder_back: ['cleared'],
  commit_started: ['cleared', 'quarantined'],
  committed: ['cleared', 'committing'],
  rollback_started: ['cleared', 'quarantined', 'committed'],
  rolled_back: ['rolling_back', 'quarantined', 'committing'],
  holder_stopped: ['quarantined'],
  quarantined: ['cleared', 'committing', 'rolling_back', 'quarantined'],
};

/** Locks are held, and nobody is cleared. */
export const NOT_YET: ReadonlySet<string> = new Set(['halting', 'snapshotting', 'verifying', 'withdrawing']);

/** A critical one has its locks on everything. */
export function conflicting(a: Mutation, b: Mutation): boolean {
  return a.mode === 'critical' || b.mode === 'critical' || overlapping(a, b);
}

export function overlapping(a: Mutation, b: Mutation): boolean {
  return anyOverlapping(a.datasets, b.datasets);
}

export function describe(event: Event): string {
  const reason = 'reason' in event && event.reason !== undefined ? ` (${event.reason.code})` : '';
  if ('mutation' in event) {
    const more =
      event.type === 'requested' ? ` ${datasetNames(event.request).join(' ')} ttl ${event.request.ttlMs}` : '';
    return `${event.mutation} ${event.type}${reason}${more}`;
  }
  if ('target' in event) return `${event.type} ${event.target.name}${reason}`;
  return 'dataset' in event ? `${event.type} ${event.dataset}${reason}` : event.type;
}
