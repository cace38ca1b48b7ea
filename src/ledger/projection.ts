import { canonicalJson } from '../base/canonical.ts';
import type { Mutation, MutationId } from '../core/mutation/mutation.ts';
import type { Database } from './sqlite/database.ts';

/**
 * Compares the mutations stored for quick answers with what follows from the records.
 * Returns the first that differs, with the seq of its first record, or undefined when all agree.
 */
export function firstDiffering(
  database: Database,
  replayed: ReadonlyMap<MutationId, Mutation>,
): { readonly seq: number; readonly problem: string } | undefined {
  const next = database.prepare<Stored>('SELECT seq, id, stage, doc FROM mutations WHERE seq > ? ORDER BY seq LIMIT 1');
  const seen = new Set<MutationId>();
  for (let row = next.get(0); row !== undefined; row = next.get(row.seq)) {
    seen.add(row.id);
    const problem = difference(row, replayed.get(row.id));
    if (problem !== undefined) return { seq: row.seq, problem };
  }
  for (const id of replayed.keys()) {
    if (!seen.has(id))
      return { seq: firstRecordOf(database, id), problem: `Mutation ${id} is in the records but not stored.` };
  }
  return undefined;
}

interface Stored {
  readonly seq: number;
  readonly id: MutationId;
  readonly stage: string;
  readonly doc: string;
}

function difference({ id, stage, doc }: Stored, honest: Mutation | undefined): string | undefined {
  if (honest === undefined) return `Mutation ${id} is stored, but no record is about it.`;
  const stored = JSON.parse(doc) as Mutation;
  if (stage === honest.stage && canonicalJson(stored) === canonicalJson(honest)) return undefined;
  const fields = new Set([...Object.keys(stored), ...Object.keys(honest)]) as Set<keyof Mutation>;
  const differing = [...fields].filter(
    (field) => canonicalJson(stored[field] ?? null) !== canonicalJson(honest[field] ?? null),
  );
  const which = differing.length === 0 ? 'stage' : differing.join(', ');
  return `Mutation ${id} is stored otherwise than the records say: ${which}.`;
}

function firstRecordOf(database: Database, id: MutationId): number {
  const row = database
    .prepare<{ readonly seq: number }>('SELECT seq FROM records WHERE mutation = ? ORDER BY seq LIMIT 1')
    .get(id);
  return row?.seq ?? 0;
}
