import { createHash } from 'node:crypto';

import { canonicalJson } from '../base/canonical.ts';
import type { Event } from '../core/event.ts';
import type { LedgerRecord } from '../ports/ledger.ts';

/** What the first record's `prev` is. */
export const GENESIS = '0'.repeat(64);

/** A record as it is stored: `body` is the event as canonical JSON, the very bytes that were hashed. */
export interface StoredRecord {
  readonly seq: number;
  readonly body: string;
  readonly prev: string;
  readonly hash: string;
}

/** The next record of the chain, and its body to be stored. */
export function link(
  prev: string,
  seq: number,
  event: Event,
): { readonly record: LedgerRecord; readonly body: string } {
  const body = canonicalJson(event);
  return { record: { seq, event, prev, hash: hashOf(prev, seq, body) }, body };
}

export function recordOf({ seq, body, prev, hash }: StoredRecord): LedgerRecord {
  return { seq, event: JSON.parse(body) as Event, prev, hash };
}

/** True when the record's content matches its hash; says nothing about its place in the chain. */
export function isWhole({ seq, body, prev, hash }: StoredRecord): boolean {
  return hash === hashOf(prev, seq, body);
}

/** Where the chain first breaks, and how, for people. */
export interface Break {
  readonly seq: number;
  readonly how: 'edited' | 'dropped' | 'reordered' | 'cut off' | 'rewritten';
  readonly problem: string;
}

export interface ChainVerdict {
  /** How many records there were. */
  readonly records: number;
  /** The last record that follows from all before it; undefined when not even the first does. */
  readonly last?: { readonly seq: number; readonly hash: string };
  readonly broken?: Break;
}

/** Walks a whole chain. What was cut off at its end cannot be seen from the chain alone: see heads.ts. */
export function verifyChain(rows: Iterable<StoredRecord>): ChainVerdict {
  const check = new ChainCheck();
  for (const row of rows) check.take(row);
  return check.verdict();
}

/**
 * Takes the records one by one, in the order they are stored. After the first that does not fit it goes on looking, to
 * tell an edited record from one that was moved: does the record that belongs there stand somewhere later?
 */
export class ChainCheck {
  #records = 0;
  #seq = 0;
  #hash = GENESIS;
  #misfit: StoredRecord | undefined;
  #afterMisfit: StoredRecord | undefined;
  #belongsAt: number | undefined;

  take(row: StoredRecord): void {
    this.#records += 1;
    const belongsHere = row.prev === this.#hash && row.hash === hashOf(this.#hash, this.#seq + 1, row.body);
    if (this.#misfit === undefined && belongsHere && row.seq === this.#seq + 1) {
      this.#seq = row.seq;
      this.#hash = row.hash;
      return;
    }
    if (belongsHere) this.#belongsAt ??= row.seq;
    if (this.#misfit === undefined) this.#misfit = row;
    else this.#afterMisfit ??= row;
  }

  verdict(): ChainVerdict {
    const last = this.#seq === 0 ? {} : { last: { seq: this.#seq, hash: this.#hash } };
    const broken = this.#misfit === undefined ? {} : { broken: this.#diagnose(this.#misfit) };
    return { records: this.#records, ...last, ...broken };
  }

  #diagnose(misfit: StoredRecord): Break {
    const seq = this.#seq + 1;
    if (this.#belongsAt !== undefined) {
      return { seq, how: 'reordered', problem: `Record ${seq} was moved: it stands at ${this.#belongsAt} now.` };
    }
    if (misfit.seq > seq) {
      return { seq, how: 'dropped', problem: `Record ${seq} is missing: the next one there is ${misfit.seq}.` };
    }
    if (misfit.seq < seq) {
      return { seq, how: 'reordered', problem: `Record ${misfit.seq} stands after record ${seq - 1}.` };
    }
    if (misfit.hash === hashOf(misfit.prev, seq + 1, misfit.body)) {
      return { seq, how: 'dropped', problem: `Record ${seq} was dropped: what was ${seq + 1} has taken its number.` };
    }
    return { seq, how: 'edited', problem: `Record ${seq} was edited: ${this.#editedPart(misfit)}.` };
  }

  /** The next record still carries the original hash in its `prev`, which tells the changed part from the intact one. */
  #editedPart(misfit: StoredRecord): string {
    const honest = hashOf(this.#hash, misfit.seq, misfit.body);
    if (misfit.hash === honest) return 'its link to the record before it was changed';
    if (this.#afterMisfit?.prev === honest) return 'its hash was changed, its content is whole';
    return 'its content does not match its hash';
  }
}

function hashOf(prev: string, seq: number, body: string): string {
  return createHash('sha256').update(`${prev}\n${seq}\n${body}`).digest('hex');
}
