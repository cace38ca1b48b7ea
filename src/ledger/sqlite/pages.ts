import type { StoredRecord } from '../chain.ts';
import type { Database } from './database.ts';

/** Bounds what an audit holds in memory, and how long it keeps the event loop: 500 records take about 5 ms. */
const RECORDS_A_PAGE = 500;

/** All records with `seq > after` in order, page by page. */
export function* pages(database: Database, after = 0): Generator<readonly StoredRecord[]> {
  const page = database.prepare<StoredRecord>(
    'SELECT seq, body, prev, hash FROM records WHERE seq > ? ORDER BY seq LIMIT ?',
  );
  for (let seq = after; ;) {
    const rows = page.all(seq, RECORDS_A_PAGE);
    yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < RECORDS_A_PAGE) return;
    seq = last.seq;
  }
}
