import type { Refusal } from '../base/refusal.ts';
import type { Event } from '../core/event.ts';
import type { Mutation } from '../core/mutation/mutation.ts';
import type { LedgerRecord } from '../ports/ledger.ts';
import type { Cleared, Denied, MutationView, RecordView } from './http.ts';

/** Inside values → what the HTTP contract shows of them. */

export function iso(at: number): string {
  return new Date(at).toISOString();
}

/** The answer to a granted request. Its members stand in this order: the reply begins `{"status":"cleared","snapshot":…`. */
export function clearedView(mutation: Mutation): Cleared {
  const names = mutation.snapshots.map((snapshot) => snapshot.name);
  return {
    status: 'cleared',
    snapshot: names[0] ?? '',
    snapshots: names,
    mutation: mutation.id,
    node: mutation.node,
    driver: mutation.datasets[0]?.driver ?? '',
    fence: mutation.fence ?? 0,
    expiresAt: iso(mutation.expiresAt ?? 0),
    ttlMs: mutation.ttlMs,
  };
}

export function deniedView({ code, message, hint, evidence }: Refusal, mutation?: string): Denied {
  return {
    status: 'denied',
    code,
    message,
    hint,
    ...(evidence === undefined ? {} : { evidence }),
    ...(mutation === undefined ? {} : { mutation }),
  };
}

export function mutationView(mutation: Mutation): MutationView {
  const { id, node, intent, mode, stage, fence, onExpiry, reason, pinned } = mutation;
  return {
    mutation: id,
    node,
    intent,
    stage,
    datasets: mutation.datasets.map((dataset) => ({ ...dataset })),
    mode,
    onExpiry,
    pinned,
    requestedAt: iso(mutation.requestedAt),
    ...(mutation.clearedAt === undefined ? {} : { clearedAt: iso(mutation.clearedAt) }),
    ...(mutation.expiresAt === undefined ? {} : { expiresAt: iso(mutation.expiresAt) }),
    ...(mutation.endedAt === undefined ? {} : { endedAt: iso(mutation.endedAt) }),
    ...(fence === undefined ? {} : { fence }),
    snapshots: mutation.snapshots.map(({ name, dataset, driver, guid, txg }) => ({
      name,
      dataset,
      driver,
      guid,
      ...(txg === undefined ? {} : { txg }),
    })),
    evidence: mutation.evidence.map(({ name, dataset, path }) => ({ name, dataset, path })),
    ...(reason === undefined ? {} : { reason: { ...reason } }),
    ...(mutation.recursive ? { recursive: true } : {}),
    ...(mutation.hold ? { hold: true } : {}),
    ...(mutation.task === undefined ? {} : { task: mutation.task }),
    ...(mutation.traceparent === undefined ? {} : { traceparent: mutation.traceparent }),
    ...(mutation.participants === undefined ? {} : { participants: [...mutation.participants] }),
    ...(mutation.rebuilt ? { rebuilt: true } : {}),
  };
}

export function recordView({ seq, event, hash }: LedgerRecord): RecordView {
  return { seq, at: iso(event.at), type: event.type, hash, event: { ...event } };
}

/** CloudEvents 1.0, structured JSON. */
export interface CloudEvent {
  readonly specversion: '1.0';
  /** The ledger's sequence number: also the cursor from which a stream resumes. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /** Extension: the record's link in the hash chain. */
  readonly hash: string;
  /** Extension, of CloudEvents' own (Distributed Tracing): the trace its mutation was asked for in. */
  readonly traceparent?: string;
  readonly data: Event;
}

function subjectOf(event: Event): string | undefined {
  if ('mutation' in event) return event.mutation;
  if ('dataset' in event) return event.dataset;
  return 'node' in event ? event.node : undefined;
}

export function cloudEvent({ seq, event, hash }: LedgerRecord, node: string): CloudEvent {
  const subject = subjectOf(event);
  return {
    specversion: '1.0',
    id: String(seq),
    source: `/hauki/${node}`,
    type: `hauki.${event.type}`,
    ...(subject === undefined ? {} : { subject }),
    time: iso(event.at),
    datacontenttype: 'application/json',
    hash,
    ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
    data: event,
  };
}

/** What a stream says of itself, in the shape of its events. Never in the ledger. */
export interface StreamNote {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: 'hauki.stream.position' | 'hauki.stream.missed';
  readonly datacontenttype: 'application/json';
  readonly data: Position | Missed;
}

/** Everything up to this record was looked at: whoever comes back with `?after=` it misses nothing. */
export interface Position {
  readonly after: number;
}

/** The reader was too slow, and records `from` to `to` were not told. They are in the ledger: resume with `?after=` this one. */
export interface Missed {
  readonly from: number;
  readonly to: number;
  readonly after: number;
}

export function positionNote(after: number, node: string): StreamNote {
  return noteOf(`position-${after}`, node, 'hauki.stream.position', { after });
}

export function missedNote(missed: Missed, node: string): StreamNote {
  return noteOf(`missed-${missed.from}-${missed.to}`, node, 'hauki.stream.missed', missed);
}

function noteOf(id: string, node: string, type: StreamNote['type'], data: Position | Missed): StreamNote {
  return { specversion: '1.0', id, source: `/hauki/${node}`, type, datacontenttype: 'application/json', data };
}
