import type { KeyObject } from 'node:crypto';
import { setImmediate as otherWork } from 'node:timers/promises';

import type { Event } from '../core/event.ts';
import type { Mutation, MutationId } from '../core/mutation/mutation.ts';
import type { Head } from '../ports/ledger.ts';
import { ChainCheck, type ChainVerdict, recordOf } from './chain.ts';
import { contradictions, type Ends } from './heads.ts';
import { ledgerHome } from './home.ts';
import { firstDiffering } from './projection.ts';
import { readSavedHead } from './saved-head.ts';
import { publicKeyOf } from './signing.ts';
import type { Database } from './sqlite/database.ts';
import { refused } from './sqlite/failure.ts';
import { hashAt, headRow, lastRecord, openForReading } from './sqlite/inspect.ts';
import { pages } from './sqlite/pages.ts';

export interface Verdict {
  readonly ok: boolean;
  readonly records: number;
  /** The signed head stored with the records. Kept elsewhere, it is a witness for a later verification. */
  readonly head?: Head;
  /** The first place where something is wrong, in words for people. */
  readonly firstBroken?: Finding;
  /** What was not wrong but leaves the proof weaker than it could be, in words for people. */
  readonly notes: readonly string[];
}

interface Finding {
  readonly seq: number;
  readonly problem: string;
}

export interface VerifyOptions {
  /** A head somebody kept elsewhere: from an earlier verification, an export, an IRC log. */
  readonly witness?: Head;
  /** Many of them, each with where it was found: `The head in line 12`. */
  readonly witnesses?: Ends['witnesses'];
  /** Defaults to `<home>/controller.pub`. */
  readonly publicKey?: KeyObject;
  /** The mutations, final ones too, as they follow from the events. With it, the stored mutations are compared to the records. */
  readonly replay?: (events: Iterable<Event>) => ReadonlyMap<MutationId, Mutation>;
}

/**
 * Walks the whole ledger of a HAUKI_HOME: the chain, the signed head, the saved head, and with `replay` the stored mutations. Works
 * beside a running controller, writes nothing, holds one page of records at a time and lets other work run between pages.
 *
 * @throws RefusedError when it cannot be read at all: `ledger_future`, `ledger_broken`, `ledger_unavailable`
 */
export async function verify(home: string, options: VerifyOptions = {}): Promise<Verdict> {
  const paths = ledgerHome(home);
  // Read before the database's snapshot is taken: were a record appended in between, the saved head would look ahead of the records.
  const saved = readSavedHead(paths.savedHead);
  const publicKey = options.publicKey ?? publicKeyOf(home);
  const database = openForReading(paths.database);
  database?.exec('BEGIN');
  try {
    const head = database && headRow(database);
    const chain = database === undefined ? { records: 0 } : await walk(database);
    const notes =
      saved === undefined && chain.records > 0
        ? [`${paths.savedHead} is missing: an older copy of the ledger would not be noticed.`]
        : [];

    const found: Finding[] = chain.broken === undefined ? [] : [chain.broken];
    const witnesses = witnessesOf(saved, options);
    if (publicKey !== undefined) {
      const last = database && lastRecord(database);
      found.push(
        ...contradictions({ last, head, witnesses, publicKey, hashAt: (seq) => database && hashAt(database, seq) }),
      );
    } else if (chain.records > 0 || witnesses.length > 0) {
      found.push({
        seq: 1,
        problem: `${paths.publicKey} is missing, so nothing proves that the controller wrote this.`,
      });
    }
    if (found.length === 0 && database !== undefined && options.replay !== undefined) {
      const differing = firstDiffering(database, options.replay(eventsOf(database)));
      if (differing !== undefined) found.push(differing);
    }
    return verdict(chain.records, head, found, notes);
  } catch (error) {
    throw refused(`Reading ${paths.database}`, error);
  } finally {
    if (database !== undefined) release(database);
  }
}

/** Ends the snapshot before closing: see Database.close. */
function release(database: Database): void {
  database.exec('ROLLBACK');
  database.close();
}

async function walk(database: Database): Promise<ChainVerdict> {
  const check = new ChainCheck();
  for (const page of pages(database)) {
    for (const row of page) check.take(row);
    await otherWork();
  }
  return check.verdict();
}

function witnessesOf(saved: Head | undefined, { witness, witnesses = [] }: VerifyOptions): Ends['witnesses'] {
  return [
    ...(saved === undefined ? [] : [{ head: saved, from: 'The saved head' }]),
    ...(witness === undefined ? [] : [{ head: witness, from: 'The head given' }]),
    ...witnesses,
  ];
}

function* eventsOf(database: Database): Generator<Event> {
  for (const page of pages(database)) {
    for (const row of page) yield recordOf(row).event;
  }
}

function verdict(
  records: number,
  head: Head | undefined,
  found: readonly Finding[],
  notes: readonly string[],
): Verdict {
  // Stable, so at the same place the chain's own finding goes first.
  const first = found.toSorted((a, b) => a.seq - b.seq)[0];
  return {
    ok: first === undefined,
    records,
    ...(head === undefined ? {} : { head }),
    ...(first === undefined ? {} : { firstBroken: { seq: first.seq, problem: first.problem } }),
    notes,
  };
}
