import type { Event } from '../../core/event.ts';
import { isFinal, type Mutation } from '../../core/mutation/mutation.ts';
import type { State } from '../../core/state.ts';
import type { Head, LedgerRecord } from '../../ports/ledger.ts';
import { namesOf } from './names.ts';
import { GENESIS, link } from '../chain.ts';
import type { Signer } from '../signing.ts';
import { type Part, PARTS, type Standing, writePart } from '../standing.ts';
import { neverRequested, requestsIn } from '../subject.ts';
import type { Database } from './database.ts';

/** Writes batches, each in one transaction. Remembers the newest head: there is no other writer. */
export class Appender {
  readonly #database: Database;
  readonly #signer: Signer;
  #head: Head | undefined;
  /** What the state table holds, to write only what changed. Values of State are never changed in place, so identity tells. */
  #written: Partial<Standing> = {};

  constructor(database: Database, signer: Signer, head: Head | undefined) {
    this.#database = database;
    this.#signer = signer;
    this.#head = head;
  }

  get head(): Head | undefined {
    return this.#head;
  }

  /** Durable on return; throws when nothing of it was written. */
  append(events: readonly Event[], touched: readonly Mutation[], state: State): readonly LedgerRecord[] {
    const links = chain(this.#head, events);
    const last = links.at(-1)?.record;
    const head = last === undefined ? this.#head : this.#signer.sign(last.seq, last.hash);
    const records = links.map(({ record }) => record);
    const requests = requestsIn(records);

    this.#database.transaction(() => {
      for (const { record, body } of links) this.#insertRecord(record, body);
      for (const mutation of touched) this.#putMutation(mutation, requests.get(mutation.id));
      for (const part of PARTS) this.#putPart(state, part);
      if (last !== undefined && head !== undefined) this.#putHead(head);
    });

    // Only now: had the commit failed, the next append would have to continue from the old head, and write all parts.
    this.#head = head;
    const { mutations: _mutations, ...standing } = state;
    this.#written = standing;
    return records;
  }

  #insertRecord({ seq, prev, hash }: LedgerRecord, body: string): void {
    this.#database
      .prepare('INSERT INTO records (seq, body, prev, hash) VALUES (?, ?, ?, ?)')
      .run(seq, body, prev, hash);
  }

  /** @param seq where it was asked for, when that was in this batch */
  #putMutation(mutation: Mutation, seq: number | undefined): void {
    if (seq === undefined) this.#updateMutation(mutation);
    else this.#insertMutation(mutation, seq);
  }

  #updateMutation(mutation: Mutation): void {
    const { changes } = this.#database
      .prepare('UPDATE mutations SET stage = ?, final = ?, doc = ? WHERE id = ?')
      .run(mutation.stage, isFinal(mutation) ? 1 : 0, JSON.stringify(mutation), mutation.id);
    if (changes === 0) throw neverRequested(mutation.id);
  }

  #insertMutation(mutation: Mutation, seq: number): void {
    const { id, node, stage, requestedAt, key } = mutation;
    this.#database
      .prepare(
        'INSERT INTO mutations (seq, id, node, stage, requested_at, key, final, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      )
      .run(seq, id, node, stage, requestedAt, key ?? null, isFinal(mutation) ? 1 : 0, JSON.stringify(mutation));
    const insertDataset = this.#database.prepare(
      'INSERT OR IGNORE INTO mutation_datasets (dataset, mutation_seq) VALUES (?, ?)',
    );
    for (const dataset of new Set(mutation.datasets.flatMap(namesOf))) insertDataset.run(dataset, seq);
  }

  #putPart(state: State, part: Part): void {
    if (this.#written[part] === state[part]) return;
    this.#database.prepare('REPLACE INTO state (part, value) VALUES (?, ?)').run(part, writePart(state, part));
  }

  #putHead({ seq, hash, signature }: Head): void {
    this.#database
      .prepare('REPLACE INTO head (only, seq, hash, signature) VALUES (1, ?, ?, ?)')
      .run(seq, hash, signature);
  }
}

function chain(head: Head | undefined, events: readonly Event[]): ReturnType<typeof link>[] {
  let { seq, hash } = head ?? { seq: 0, hash: GENESIS };
  return events.map((event) => {
    const linked = link(hash, seq + 1, event);
    ({ seq, hash } = linked.record);
    return linked;
  });
}
