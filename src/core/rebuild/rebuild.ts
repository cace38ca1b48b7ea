import { refusal, type Refusal } from '../../base/refusal.ts';
import { contains, type Dataset, type DatasetName, overlapping } from '../dataset.ts';
import type { EventBody } from '../event.ts';
import type { MutationId, MutationRequest } from '../mutation/mutation.ts';
import { timeOf } from '../snapshot/floor.ts';
import { evidenceName } from '../snapshot/name.ts';
import { faultOf, type Remnant } from './remnant.ts';

type Restored = Extract<EventBody, { type: 'rebuilt' }>;

export interface Rebuilt {
  /** In the order in which they got their snapshots. */
  readonly mutations: readonly Restored[];
  readonly skipped: readonly Skipped[];
}

export interface Skipped {
  readonly name: string;
  readonly why: string;
}

/** What a request said that no storage remembers. */
const FORGOTTEN = { ttlMs: 600_000, waitMs: 0, onExpiry: 'rollback', attached: false } as const;

/** What is left of one mutation. */
interface Remains {
  readonly id: MutationId;
  readonly at: number;
  readonly fence: number;
  readonly datasets: readonly Dataset[];
  readonly snapshots: readonly Remnant[];
  readonly evidence: readonly Remnant[];
}

/**
 * The history as the storage alone tells it.
 *
 * How a mutation ended stands beside its snapshots where the storage was told; evidence tells of a rollback; and one that got the
 * locks later proves that it ended, for they are given to one at a time. Of the newest, nobody can know: it stays locked until a
 * person has looked.
 *
 * @param places of datasets whose names are no paths: see Dataset.at
 */
export function rebuild(remnants: readonly Remnant[], places: ReadonlyMap<DatasetName, string>): Rebuilt {
  const skipped: Skipped[] = [];
  const groups = new Map<MutationId, Remnant[]>();
  for (const remnant of remnants) {
    const why = faultOf(remnant);
    if (why !== undefined) skipped.push({ name: remnant.name, why });
    else groups.set(remnant.mutation, [...(groups.get(remnant.mutation) ?? []), remnant]);
  }
  const remains = [...groups.values()]
    .flatMap((group) => remainsOf(group, places, skipped) ?? [])
    .toSorted((a, b) => a.at - b.at || a.fence - b.fence || (a.id < b.id ? -1 : 1));
  const mutations = remains.map((one, index) => {
    const later = remains.slice(index + 1).find((other) => meet(one, other));
    return restored(one, later);
  });
  return { mutations, skipped };
}

function remainsOf(
  group: readonly Remnant[],
  places: ReadonlyMap<DatasetName, string>,
  skipped: Skipped[],
): Remains | undefined {
  const snapshots = new Map<DatasetName, Remnant>();
  const oldestFirst = group.toSorted((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1));
  for (const one of oldestFirst.filter(({ kind }) => kind === 'snapshot')) {
    const other = snapshots.get(one.dataset);
    if (other === undefined) snapshots.set(one.dataset, one);
    else skipped.push({ name: one.name, why: `its mutation has ${other.name} of the same dataset already` });
  }
  const evidence = oldestFirst.filter(({ kind }) => kind === 'evidence');
  for (const { name, dataset } of evidence)
    if (!snapshots.has(dataset)) skipped.push({ name, why: 'the snapshot it belongs to is gone' });
  const [first] = snapshots.values();
  if (first === undefined) return undefined;
  const names = [...snapshots.keys()];
  const outermost = [...snapshots.values()].filter(({ dataset }) => !names.some((other) => contains(other, dataset)));
  return {
    id: first.mutation,
    at: Math.min(...[...snapshots.values()].map(timeOf)),
    fence: Math.max(...group.map(({ fence }) => fence)),
    datasets: outermost.map(({ dataset: name, driver }) => {
      const at = places.get(name);
      return { name, driver, ...(at === undefined ? {} : { at }) };
    }),
    // Those named come first, as they did when they were taken.
    snapshots: [...new Set([...outermost, ...snapshots.values()])],
    evidence: evidence.filter(({ dataset }) => snapshots.has(dataset)),
  };
}

function meet(one: Remains, other: Remains): boolean {
  return one.datasets.some((a) => other.datasets.some((b) => overlapping(a, b)));
}

function restored(one: Remains, later: Remains | undefined): Restored {
  const { id, at, fence, datasets, snapshots, evidence } = one;
  const [first] = snapshots;
  const request: MutationRequest = {
    ...FORGOTTEN,
    node: first?.node ?? '',
    intent: first?.intent ?? '',
    mode: first?.mode ?? 'standard',
    datasets,
    ...(snapshots.length > datasets.length ? { recursive: true } : {}),
  };
  return {
    type: 'rebuilt',
    mutation: id,
    request,
    ...ending(one, later),
    fence,
    clearedAt: at,
    snapshots: snapshots.map(({ dataset, driver, name, guid, txg, createdAt }) => {
      return { dataset, driver, name, guid, createdAt, ...(txg === undefined ? {} : { txg }) };
    }),
    evidence: evidence.map(({ dataset, driver, name, path = '' }) => ({ dataset, driver, name, path })),
    attempt: Math.max(0, ...evidence.map((kept) => attemptOf(kept, snapshots))),
  };
}

function ending(one: Remains, later: Remains | undefined): { stage: Restored['stage']; reason?: Refusal } {
  const told = one.snapshots.find(({ outcome }) => outcome !== undefined)?.outcome;
  if (told === 'committed' || told === 'rolled_back') return { stage: told };
  if (one.evidence.length > 0) {
    // It is kept before anything goes back: by itself it tells that a rollback was begun.
    const kept = new Set(one.evidence.map(({ dataset }) => dataset));
    if (later !== undefined && one.snapshots.every(({ dataset }) => kept.has(dataset))) return { stage: 'rolled_back' };
    const message =
      'The ledger was lost. Its failed state is kept, so its rollback was begun; nobody knows whether it was finished.';
    const hint = '"hauki resolve M --rollback" finishes it, or does it once more.';
    return { stage: 'quarantined', reason: refusal('outcome_unknown', message, hint) };
  }
  if (later !== undefined) {
    const proof = `mutation ${later.id} got the locks after it`;
    const message = `The ledger was lost. It ended, since ${proof}; that it was committed is presumed, since no failed state is kept.`;
    return {
      stage: 'committed',
      reason: refusal('outcome_unknown', message, 'If it is wrong, "hauki rollback M" undoes it.'),
    };
  }
  const message = 'The ledger was lost before anybody knew how this ended, and its command may never have ended.';
  return { stage: 'quarantined', reason: refusal('outcome_unknown', message) };
}

/** Which try of a rollback kept it: the next try must not take the same name. */
function attemptOf({ dataset, name }: Remnant, snapshots: readonly Remnant[]): number {
  const snapshot = snapshots.find((one) => one.dataset === dataset);
  const first = snapshot === undefined ? '' : evidenceName(snapshot.name, 1);
  const suffix = Number(name.slice(first.length + 1));
  return name.startsWith(`${first}_`) && Number.isSafeInteger(suffix) && suffix > 1 ? suffix : 1;
}
