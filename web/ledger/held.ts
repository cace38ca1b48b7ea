import type { LedgerPage } from '../../src/wire/ledger.ts';

/** So many records are held without anybody asking for more: a page stays open for weeks. */
export const RECORDS_MAX = 1_000;

/** The newest page before what is held already; alone, when so much happened meanwhile that there is a gap between. */
export function joined(newest: LedgerPage, held: LedgerPage | undefined): LedgerPage {
  const last = newest.records.at(-1)?.seq ?? 0;
  const older = held?.records.filter(({ seq }) => seq < last) ?? [];
  if (held === undefined || older[0]?.seq !== last - 1) return newest;
  // Nobody loses what they asked for; what comes by itself pushes the oldest out.
  const most = Math.max(RECORDS_MAX, held.records.length);
  const all = [...newest.records, ...older];
  const records = all.slice(0, most);
  const oldest = records.at(-1);
  return all.length > most && oldest !== undefined ? { records, next: oldest.seq } : { ...held, records };
}

/** What is held and the page after it; as it was, when that does not follow on it any more. */
export function extended(held: LedgerPage, older: LedgerPage): LedgerPage {
  if (older.records[0]?.seq !== (held.records.at(-1)?.seq ?? 0) - 1) return held;
  return { ...older, records: [...held.records, ...older.records] };
}
