import { existsSync } from 'node:fs';

import { refusal, RefusedError } from '../../base/refusal.ts';
import type { Head, Ledger } from '../../ports/ledger.ts';
import { type Break, isWhole, type StoredRecord } from '../chain.ts';
import { makeFolder } from '../durable.ts';
import { contradictions } from '../heads.ts';
import { type LedgerHome, ledgerHome } from '../home.ts';
import { readSavedHead, SavedHead } from '../saved-head.ts';
import { controllerKey, type Signer } from '../signing.ts';
import { Appender } from './append.ts';
import { Database } from './database.ts';
import { refused } from './failure.ts';
import { hashAt, headRow, lastRecord, openForReading } from './inspect.ts';
import { sqliteLedger } from './ledger.ts';
import { SCHEMA, WRITER_SETTINGS } from './schema.ts';

/**
 * Opens the ledger of this HAUKI_HOME for its one writer (see lock.ts), and makes it and the controller's key when there is none.
 * The end of the chain, the signed head and the saved head are checked against one another; the whole chain is not walked.
 *
 * @throws RefusedError `ledger_future`, `ledger_broken`, or `ledger_unavailable` when the disk does not let it open;
 *   nothing was written then
 */
export function openSqliteLedger(home: string): Ledger {
  const paths = ledgerHome(home);
  try {
    const head = inspect(home, paths);
    const signer = controllerKey(home);
    makeFolder(paths.folder);
    const database = openForWriting(paths.database);
    const savedHead = new SavedHead(paths.savedHead);
    // It may be behind, or missing, after a power cut.
    if (head !== undefined) savedHead.save(head);
    const appender = new Appender(database, signer, head);
    return sqliteLedger({ path: paths.database, savedHead, database, appender });
  } catch (error) {
    throw refused(`Opening ${paths.database}`, error);
  }
}

/** Looks before anything is written. Returns the head to continue from, undefined for a new ledger. */
function inspect(home: string, paths: LedgerHome): Head | undefined {
  const saved = readSavedHead(paths.savedHead);
  const database = openForReading(paths.database);
  try {
    const head = database && headRow(database);
    const last = database && lastRecord(database);
    if (head === undefined && last === undefined && saved === undefined) return undefined;
    if (!existsSync(paths.privateKey)) {
      throw broken(
        `The ledger is signed with ${paths.privateKey}, which is missing.`,
        'Put the key back from a backup.',
      );
    }
    const found =
      database === undefined
        ? cutOffWhole(saved)
        : firstContradiction(database, last, head, saved, controllerKey(home));
    if (found !== undefined) throw broken(`${paths.database}: ${found.problem}`, hintFor(found, paths));
    return head;
  } finally {
    database?.close();
  }
}

function firstContradiction(
  database: Database,
  last: StoredRecord | undefined,
  head: Head | undefined,
  saved: Head | undefined,
  { publicKey }: Signer,
): Break | undefined {
  if (last !== undefined && !isWhole(last)) {
    return {
      seq: last.seq,
      how: 'edited',
      problem: `Record ${last.seq} was edited: its content does not match its hash.`,
    };
  }
  const witnesses = saved === undefined ? [] : [{ head: saved, from: 'The saved head' }];
  return contradictions({ last, head, witnesses, publicKey, hashAt: (seq) => hashAt(database, seq) })[0];
}

function cutOffWhole(saved: Head | undefined): Break | undefined {
  if (saved === undefined || saved.seq === 0) return undefined;
  return { seq: 1, how: 'cut off', problem: `The file is missing or empty, and the saved head is at ${saved.seq}.` };
}

function openForWriting(path: string): Database {
  const database = new Database(path);
  try {
    database.exec(WRITER_SETTINGS);
    const { count } = database.prepare<{ count: number }>('SELECT count(*) AS count FROM sqlite_schema').get() ?? {
      count: 0,
    };
    if (count === 0) database.transaction(() => database.exec(SCHEMA));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function broken(message: string, hint: string): RefusedError {
  return new RefusedError(refusal('ledger_broken', message, hint));
}

function hintFor(found: Break, paths: LedgerHome): string {
  return found.how === 'cut off'
    ? `Put the newest ledger.db back. To go on without the lost records, knowingly, move ${paths.savedHead} away and start again.`
    : 'Run "hauki audit verify" to see where it begins, and put the ledger back from a backup.';
}
