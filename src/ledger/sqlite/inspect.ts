import { existsSync, statSync } from 'node:fs';

import { refusal, RefusedError } from '../../base/refusal.ts';
import type { Head } from '../../ports/ledger.ts';
import type { StoredRecord } from '../chain.ts';
import { Database } from './database.ts';
import { refused } from './failure.ts';
import { APPLICATION_ID, SCHEMA_VERSION } from './schema.ts';

/**
 * Opens an existing ledger for reading, beside a controller or without one; writes nothing. Undefined when there is none yet.
 *
 * @throws RefusedError `ledger_future` when a newer hauki wrote it, `ledger_broken` when it is not a ledger
 */
export function openForReading(path: string): Database | undefined {
  if (!existsSync(path) || statSync(path).size === 0) return undefined;
  let database: Database | undefined;
  try {
    database = new Database(path, { readOnly: true });
    if (hasLedger(database, path)) return database;
  } catch (error) {
    database?.close();
    throw refused(`Reading ${path}`, error);
  }
  database.close();
  return undefined;
}

/** False when the file is a database without anything in it: a first start that did not get further. */
function hasLedger(database: Database, path: string): boolean {
  const version = pragma(database, 'user_version');
  const application = pragma(database, 'application_id');
  if (application === APPLICATION_ID && version > SCHEMA_VERSION) {
    throw new RefusedError(
      refusal('ledger_future', `${path} has format ${version}; this hauki knows formats up to ${SCHEMA_VERSION}.`),
    );
  }
  if (application === APPLICATION_ID && version === SCHEMA_VERSION) return true;
  const tables = database
    .prepare<{ readonly count: number }>('SELECT count(*) AS count FROM sqlite_schema')
    .get()?.count;
  if (tables === 0) return false;
  const hint = 'Move the file away, or choose another HAUKI_HOME.';
  throw new RefusedError(refusal('ledger_broken', `${path} is a SQLite database, but not a ledger.`, hint));
}

function pragma(database: Database, name: 'user_version' | 'application_id'): number {
  return Object.values(database.prepare<Record<string, number>>(`PRAGMA ${name}`).get() ?? {})[0] ?? 0;
}

/** Whether a mutation was ever put on record. */
export function knowsMutations(database: Database): boolean {
  return database.prepare('SELECT 1 FROM mutations LIMIT 1').get() !== undefined;
}

export function headRow(database: Database): Head | undefined {
  const row = database.prepare<Head>('SELECT seq, hash, signature FROM head').get();
  return row === undefined ? undefined : { seq: row.seq, hash: row.hash, signature: row.signature };
}

export function lastRecord(database: Database): StoredRecord | undefined {
  return database.prepare<StoredRecord>('SELECT seq, body, prev, hash FROM records ORDER BY seq DESC LIMIT 1').get();
}

export function hashAt(database: Database, seq: number): string | undefined {
  return database.prepare<{ readonly hash: string }>('SELECT hash FROM records WHERE seq = ?').get(seq)?.hash;
}
