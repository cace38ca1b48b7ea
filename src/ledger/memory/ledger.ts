import { anyOverlapping } from '../../core/dataset.ts';
import { isFinal, type Mutation, type MutationId } from '../../core/mutation/mutation.ts';
import type { Ledger, LedgerRecord, MutationQuery } from '../../ports/ledger.ts';
import { GENESIS, link, recordOf, type StoredRecord } from '../chain.ts';
import type { Signer } from '../signing.ts';
import { type Part, PARTS, readStanding, writePart } from '../standing.ts';
import { neverRequested, requestsIn, subjectOf } from '../subject.ts';

/**
 * What survives a crash of the simulator's controller. Plain values and texts: `structuredClone` makes a second disk of it, and
 * nothing on it is shared with the live state.
 */
export interface MemoryDisk {
  readonly records: StoredRecord[];
  /** As JSON, by id, in the order they were asked for. */
  readonly mutations: Map<MutationId, string>;
  readonly standing: Map<Part, string>;
}

export function emptyDisk(): MemoryDisk {
  return { records: [], mutations: new Map(), standing: new Map() };
}

/**
 * The ledger for the simulator and for unit tests. A restart is opening a new one on the same disk. Heads are signed only when
 * there is a signer; without one their `signature` is empty.
 */
export function memoryLedger(disk: MemoryDisk = emptyDisk(), signer?: Signer): Ledger {
  let open = true;
  const opened = (): MemoryDisk => {
    if (!open) throw new Error('the ledger in memory is closed');
    return disk;
  };
  const all = (): Mutation[] => [...opened().mutations.values()].map(parse);
  return {
    async load() {
      const unfinished = all().filter((mutation) => !isFinal(mutation));
      const standing = readStanding((part) => disk.standing.get(part));
      return { mutations: new Map(unfinished.map((mutation) => [mutation.id, mutation])), ...standing };
    },
    async append(events, touched, state) {
      // Everything that can throw comes before the first change, so a batch is written whole or not at all.
      const stored: StoredRecord[] = [];
      const records: LedgerRecord[] = [];
      let { seq, hash } = opened().records.at(-1) ?? { seq: 0, hash: GENESIS };
      for (const event of events) {
        const { record, body } = link(hash, seq + 1, event);
        ({ seq, hash } = record);
        stored.push({ seq, body, prev: record.prev, hash });
        records.push(record);
      }
      const requests = requestsIn(records);
      for (const { id } of touched) if (!disk.mutations.has(id) && !requests.has(id)) throw neverRequested(id);
      const inOrder = touched.toSorted((a, b) => (requests.get(a.id) ?? 0) - (requests.get(b.id) ?? 0));
      const docs = inOrder.map((mutation) => [mutation.id, JSON.stringify(mutation)] as const);
      const parts = PARTS.map((part) => [part, writePart(state, part)] as const);

      disk.records.push(...stored);
      // Setting a key that is there keeps its place, so the order stays that of the requests.
      for (const [id, doc] of docs) disk.mutations.set(id, doc);
      for (const [part, text] of parts) disk.standing.set(part, text);
      return records;
    },
    async find(id) {
      const doc = opened().mutations.get(id);
      return doc === undefined ? undefined : parse(doc);
    },
    async findByKey(key) {
      return all().findLast((mutation) => mutation.key === key);
    },
    async query(query) {
      const older = query.before === undefined ? all() : all().slice(0, placeOf(query.before, disk));
      return older
        .toReversed()
        .filter((mutation) => matches(mutation, query))
        .slice(0, query.limit);
    },
    async newerOverlapping(id, datasets) {
      if (!opened().mutations.has(id)) return [];
      const newer = all().slice(placeOf(id, disk) + 1);
      return newer.filter((mutation) => anyOverlapping(mutation.datasets, datasets));
    },
    async countByStage() {
      const counts: Partial<Record<Mutation['stage'], number>> = {};
      for (const { stage } of all()) counts[stage] = (counts[stage] ?? 0) + 1;
      return counts;
    },
    async records(after, limit) {
      return opened()
        .records.slice(after, after + limit)
        .map(recordOf);
    },
    async recordsOf(id) {
      return opened()
        .records.map(recordOf)
        .filter(({ event }) => subjectOf(event) === id);
    },
    async head() {
      const last = opened().records.at(-1);
      if (last === undefined) return undefined;
      return signer?.sign(last.seq, last.hash) ?? { seq: last.seq, hash: last.hash, signature: '' };
    },
    async close() {
      open = false;
    },
  };
}

/** How many mutations were asked for before this one; 0 when it is unknown. */
function placeOf(id: MutationId, disk: MemoryDisk): number {
  return Math.max(0, [...disk.mutations.keys()].indexOf(id));
}

function matches(mutation: Mutation, { node, since, outcome }: MutationQuery): boolean {
  return (
    (node === undefined || mutation.node === node) &&
    (outcome === undefined || mutation.stage === outcome) &&
    (since === undefined || mutation.requestedAt >= since)
  );
}

function parse(doc: string): Mutation {
  return JSON.parse(doc) as Mutation;
}
