import type { Refusal } from '../base/refusal.ts';
import { traceFields } from '../base/traceparent.ts';
import type { Event } from '../core/event.ts';
import type { LedgerRecord } from '../ports/ledger.ts';
import type { Log } from '../ports/log.ts';
import type { Feed } from './feed.ts';

/**
 * The life of each mutation in the log, a line for each step that somebody would look for, with its id in `mutation` and, where its
 * caller said one, its trace. The ledger is what counts; this is for whoever reads all of a machine's logs in one place.
 *
 * @returns what ends it
 */
export function chronicle(feed: Feed, log: Log): () => void {
  return feed.subscribe((record) => tell(record, log));
}

/** Events about a mutation that are told, and in which words. */
const WORDS: Readonly<Partial<Record<Event['type'], string>>> = {
  requested: 'clearance is asked for',
  denied: 'denied',
  cancelled: 'cancelled before it was cleared',
  cleared: 'cleared',
  holder_lost: 'its holder is not heard of',
  holder_back: 'its holder is back',
  committed: 'committed',
  rollback_started: 'is being rolled back',
  rolled_back: 'rolled back',
  quarantined: 'quarantined: a person has to decide',
};

function tell({ seq, event }: LedgerRecord, log: Log): void {
  const words = WORDS[event.type];
  if (words === undefined || !('mutation' in event)) return;
  const fields = { mutation: event.mutation, seq, ...factsOf(event), ...traceFields(event.traceparent) };
  if (event.type === 'quarantined') log.error(fields, words);
  else if (event.type === 'rollback_started' || event.type === 'holder_lost') log.warn(fields, words);
  else log.info(fields, words);
}

function factsOf(event: Event): Readonly<Record<string, unknown>> {
  switch (event.type) {
    case 'requested': {
      const { node: asker, intent, mode, datasets, task } = event.request;
      const named = datasets.map(({ name }) => name);
      return { asker, intent, mode, datasets: named, ...(task === undefined ? {} : { task }) };
    }
    case 'cleared':
      return { snapshots: event.snapshots.map(({ name }) => name) };
    case 'rollback_started':
      return { by: event.by, ...why(event.reason) };
    case 'rolled_back':
      return { evidence: event.evidence.map(({ path }) => path) };
    case 'denied':
    case 'cancelled':
    case 'quarantined':
      return why(event.reason);
    default:
      return {};
  }
}

function why(reason: Refusal | undefined): { readonly code?: string; readonly why?: string } {
  return reason === undefined ? {} : { code: reason.code, why: reason.message };
}
