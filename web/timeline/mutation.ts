import type { BarrierView, MutationView } from '../../src/wire/http.ts';
import { oneLine } from '../../src/wire/one-line.ts';

/** What the timeline reads of a mutation; a `MutationView` is one. */
export type TimelineMutation = Pick<
  MutationView,
  'mutation' | 'node' | 'intent' | 'mode' | 'stage' | 'requestedAt' | 'clearedAt' | 'endedAt' | 'participants'
> & { readonly snapshots: readonly { readonly name: string }[] };

/** A barrier that stands now. `since`: when it was opened, by the clock of this machine, in ms since 1970. */
export type TimelineBarrier = Pick<BarrierView, 'epoch' | 'intent' | 'phase'> & {
  readonly awaited: readonly string[];
  readonly since: number;
};

/** How a mutation is drawn. `waiting` is everything before the clearance, `cleared` everything open after it. */
export const OUTCOMES = [
  'committed',
  'cleared',
  'waiting',
  'cancelled',
  'denied',
  'rolled_back',
  'quarantined',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** A mutation as the timeline reckons with it. Times are ms since 1970. */
export interface Item {
  readonly id: string;
  readonly node: string;
  readonly intent: string;
  readonly outcome: Outcome;
  readonly critical: boolean;
  /** Whether a barrier was opened for it: one that was denied before halted nobody. */
  readonly halted: boolean;
  readonly asked: number;
  /** When the bar begins: the clearance, or for what was never cleared the end of it. */
  readonly start: number;
  /** When the bar ends; `Infinity` while the mutation is open. */
  readonly end: number;
  /** When the state was frozen; undefined without a snapshot. */
  readonly frozen: number | undefined;
  readonly snapshots: number;
}

/** Where its bar ends when it is drawn: an open one at `now`. */
export function endOf({ start, end }: Pick<Item, 'start' | 'end'>, now: number): number {
  return end === Infinity ? Math.max(start, now) : end;
}

/** Answers of the server are never changed in place, so what was made of one holds as long as it does. */
const made = new WeakMap<TimelineMutation, Item>();

export function itemOf(mutation: TimelineMutation): Item {
  const known = made.get(mutation);
  if (known !== undefined) return known;
  const item = fresh(mutation);
  made.set(mutation, item);
  return item;
}

function fresh(mutation: TimelineMutation): Item {
  const { clearedAt, endedAt, snapshots } = mutation;
  const asked = Date.parse(mutation.requestedAt);
  const cleared = clearedAt === undefined ? undefined : Date.parse(clearedAt);
  const end = endedAt === undefined ? Infinity : Date.parse(endedAt);
  const outcome = outcomeOf(mutation);
  // Two clocks may have stamped them: an end before its beginning is a bar without length, not one that runs backwards.
  const start = Math.max(asked, cleared ?? (end === Infinity ? asked : end));
  const [first] = snapshots;
  return {
    id: mutation.mutation,
    // Words of others: what cannot be seen is shown, on the canvas too.
    node: oneLine(mutation.node),
    intent: oneLine(mutation.intent),
    outcome,
    critical: mutation.mode === 'critical',
    halted: mutation.participants !== undefined,
    asked,
    start,
    end: Math.max(start, end),
    frozen: first === undefined ? undefined : (momentOf(first.name) ?? cleared),
    snapshots: snapshots.length,
  };
}

function outcomeOf({ stage, clearedAt }: TimelineMutation): Outcome {
  switch (stage) {
    case 'committed':
    case 'rolled_back':
    case 'denied':
    case 'cancelled':
    case 'quarantined':
      return stage;
    case 'cleared':
    case 'committing':
    case 'rolling_back':
      return 'cleared';
    case 'queued':
    case 'halting':
    case 'snapshotting':
    case 'verifying':
    case 'withdrawing':
      return clearedAt === undefined ? 'waiting' : 'cleared';
  }
}

/** The moment in the name of a snapshot, `…_<YYYYMMDD>_<HHMMSS>_<mmm>` in UTC: it is nearer to the freeze than the clearance. */
function momentOf(snapshot: string): number | undefined {
  const found = /_(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)_(\d{3})(?:-\d+)?$/.exec(snapshot);
  if (found === null) return undefined;
  const [year = 0, month = 1, day, hour, minute, second, ms] = found.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second, ms);
}

/** A band across all lanes: the mesh was halted for a critical mutation, or still is. */
export interface Band {
  readonly key: string;
  readonly label: string;
  readonly from: number;
  /** `Infinity` while it stands. */
  readonly to: number;
  readonly awaited: readonly string[];
}

/** Barriers that stand, and those that the critical mutations among the items tell of. */
export function bandsOf(items: readonly Item[], barriers: readonly TimelineBarrier[]): Band[] {
  const past = items
    .filter((item) => item.critical && item.halted && (item.outcome !== 'waiting' || barriers.length === 0))
    .map((item) => ({
      key: item.id,
      label: `barrier: ${item.intent}`,
      from: item.asked,
      to: item.outcome === 'waiting' ? Infinity : item.start,
      awaited: [],
    }));
  const standing = barriers.map(({ epoch, intent, phase, since, awaited }) => ({
    key: `epoch ${epoch}`,
    label: `barrier ${epoch}, ${phase}: ${intent}`,
    from: since,
    to: Infinity,
    awaited,
  }));
  return [...past, ...standing];
}
