import { ancestorsOf, anyOverlapping, type Place } from '../../core/dataset.ts';
import type { Mutation, MutationId, Stage } from '../../core/mutation/mutation.ts';
import type { State } from '../../core/state.ts';
import type { LedgerRecord, MutationQuery } from '../../ports/ledger.ts';
import { recordOf, type StoredRecord } from '../chain.ts';
import { type Part, readStanding } from '../standing.ts';
import type { Database, Value } from './database.ts';
import { namesOf } from './names.ts';

interface Doc {
  readonly doc: string;
}
interface Seq {
  readonly seq: number;
}

/** The state as of the last append, without reading the records: open mutations in the order they were asked for. */
export function loadState(database: Database): State {
  const open = database.prepare<Doc>('SELECT doc FROM mutations WHERE final = 0 ORDER BY seq').all().map(mutationOf);
  const part = database.prepare<{ readonly value: string }>('SELECT value FROM state WHERE part = ?');
  const standing = readStanding((name: Part) => part.get(name)?.value);
  return { mutations: new Map(open.map((mutation) => [mutation.id, mutation])), ...standing };
}

export function findMutation(database: Database, id: MutationId): Mutation | undefined {
  return optional(database.prepare<Doc>('SELECT doc FROM mutations WHERE id = ?').get(id));
}

/** The newest one, should the key have been used twice. */
export function findByKey(database: Database, key: string): Mutation | undefined {
  return optional(database.prepare<Doc>('SELECT doc FROM mutations WHERE key = ? ORDER BY seq DESC LIMIT 1').get(key));
}

export function queryMutations(database: Database, query: MutationQuery): Mutation[] {
  const conditions: string[] = [];
  const values: Value[] = [];
  const where = (condition: string, value: Value) => {
    conditions.push(condition);
    values.push(value);
  };
  if (query.node !== undefined) where('node = ?', query.node);
  if (query.outcome !== undefined) where('stage = ?', query.outcome);
  if (query.before !== undefined) {
    const before = seqOf(database, query.before);
    if (before === undefined) return [];
    where('seq < ?', before);
  }
  if (query.since !== undefined) {
    // requestedAt never goes backwards, so a time is a place in the order: no row older than that is looked at.
    const from = database
      .prepare<Seq>('SELECT seq FROM mutations WHERE requested_at >= ? ORDER BY requested_at, seq LIMIT 1')
      .get(query.since);
    if (from === undefined) return [];
    where('seq >= ?', from.seq);
  }
  const filter = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  return database
    .prepare<Doc>(`SELECT doc FROM mutations ${filter} ORDER BY seq DESC LIMIT ?`)
    .all(...values, query.limit)
    .map(mutationOf);
}

export function newerOverlapping(database: Database, id: MutationId, datasets: readonly Place[]): Mutation[] {
  const after = seqOf(database, id);
  if (after === undefined) return [];
  const onDataset = database.prepare<Seq>(
    'SELECT mutation_seq AS seq FROM mutation_datasets WHERE dataset = ? AND mutation_seq > ?',
  );
  // "0" is the character after "/": the range holds exactly the names that begin with "<dataset>/", whatever else is in them.
  const insideDataset = database.prepare<Seq>(
    'SELECT mutation_seq AS seq FROM mutation_datasets WHERE dataset > ? AND dataset < ? AND mutation_seq > ?',
  );
  const newer = new Set<number>();
  for (const dataset of new Set(datasets.flatMap(namesOf))) {
    const stem = dataset.endsWith('/') ? dataset.slice(0, -1) : dataset;
    const rows = [
      ...[dataset, ...ancestorsOf(dataset)].flatMap((name) => onDataset.all(name, after)),
      ...insideDataset.all(`${stem}/`, `${stem}0`, after),
    ];
    for (const { seq } of rows) newer.add(seq);
  }
  const doc = database.prepare<Doc>('SELECT doc FROM mutations WHERE seq = ?');
  const found = [...newer].toSorted((a, b) => a - b).flatMap((seq) => optional(doc.get(seq)) ?? []);
  // Two pool datasets may be mounted one inside the other: what was found by place is judged by the rule.
  return found.filter((mutation) => anyOverlapping(mutation.datasets, datasets));
}

export function countByStage(database: Database): Partial<Record<Stage, number>> {
  const rows = database
    .prepare<{ readonly stage: Stage; readonly count: number }>(
      'SELECT stage, count(*) AS count FROM mutations GROUP BY stage',
    )
    .all();
  return Object.fromEntries(rows.map(({ stage, count }) => [stage, count]));
}

export function recordsAfter(database: Database, after: number, limit: number): LedgerRecord[] {
  return database
    .prepare<StoredRecord>('SELECT seq, body, prev, hash FROM records WHERE seq > ? ORDER BY seq LIMIT ?')
    .all(after, limit)
    .map(recordOf);
}

export function recordsOf(database: Database, id: MutationId): LedgerRecord[] {
  return database
    .prepare<StoredRecord>('SELECT seq, body, prev, hash FROM records WHERE mutation = ? ORDER BY seq')
    .all(id)
    .map(recordOf);
}

function seqOf(database: Database, id: MutationId): number | undefined {
  return database.prepare<Seq>('SELECT seq FROM mutations WHERE id = ?').get(id)?.seq;
}

function mutationOf({ doc }: Doc): Mutation {
  return JSON.parse(doc) as Mutation;
}

function optional(row: Doc | undefined): Mutation | undefined {
  return row === undefined ? undefined : mutationOf(row);
}
