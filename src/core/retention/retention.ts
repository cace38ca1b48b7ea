import type { Target } from '../event.ts';
import type { Stage } from '../mutation/mutation.ts';

/** What may be kept: by count for each dataset, and by age. Failed mutations are what people come back to, so they are kept longer. */
export interface RetentionPolicy {
  readonly committed: Keep;
  readonly failed: Keep;
}

export interface Keep {
  /** The newest so many of each dataset stay. */
  readonly countMax: number;
  /** Older than this goes, ms. */
  readonly ageMsMax: number;
}

const DAY_MS = 86_400_000;

export const DEFAULT_RETENTION: RetentionPolicy = {
  committed: { countMax: 50, ageMsMax: 30 * DAY_MS },
  failed: { countMax: 100, ageMsMax: 90 * DAY_MS },
};

/** A snapshot or evidence on the storage, with what the ledger knows of its mutation. */
export interface Candidate {
  readonly target: Target;
  readonly createdAt: number;
  readonly pinned: boolean;
  /** Undefined when the ledger does not know the mutation: then it is nobody's to throw away. */
  readonly stage: Stage | undefined;
}

export interface Condemned {
  readonly target: Target;
  /** For people: why it goes. */
  readonly why: string;
}

/** What the storage would not destroy is asked for again after this time, not with every look. */
export const STUCK_MS = DAY_MS;

/** What retention has to leave alone: what goes already, and what stays for now whatever the rules say. */
export interface Exempt {
  readonly going: (name: string) => boolean;
  readonly staying: (name: string) => boolean;
}

const NONE: Exempt = { going: () => false, staying: () => false };

/**
 * Which of the candidates go. Pinned ones, those of open mutations and those the ledger does not know always stay; so does a
 * snapshot on which evidence rests that stays.
 *
 * @param at wall clock, ms since the epoch
 */
export function condemn(
  candidates: readonly Candidate[],
  policy: RetentionPolicy,
  at: number,
  { going, staying }: Exempt = NONE,
): Condemned[] {
  const condemned = beyond(candidates, policy, at).filter(({ target: { name } }) => !going(name) && !staying(name));
  const leaving = new Set(condemned.map(({ target }) => target.name));
  const needed = new Set(
    candidates
      .filter(({ target: { name } }) => !leaving.has(name) && !going(name))
      .flatMap(({ target }) => target.restsOn ?? []),
  );
  return condemned.filter(({ target }) => !needed.has(target.name));
}

/** What is beyond the count or the age, each dataset, kind and rule on its own. */
function beyond(candidates: readonly Candidate[], policy: RetentionPolicy, at: number): Condemned[] {
  const groups = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    const rule = ruleOf(candidate);
    if (rule === undefined) continue;
    const key = `${rule}\n${candidate.target.kind}\n${candidate.target.dataset}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [candidate]);
    else group.push(candidate);
  }
  const condemned: Condemned[] = [];
  for (const group of groups.values()) {
    const newestFirst = group.toSorted((a, b) => b.createdAt - a.createdAt);
    for (const [index, candidate] of newestFirst.entries()) {
      const rule = ruleOf(candidate);
      if (rule === undefined) continue;
      const why = reasonToGo(index, at - candidate.createdAt, policy[rule], rule);
      if (why !== undefined) condemned.push({ target: candidate.target, why });
    }
  }
  return condemned;
}

function reasonToGo(newer: number, ageMs: number, keep: Keep, rule: keyof RetentionPolicy): string | undefined {
  if (newer >= keep.countMax) return `${newer} newer ones of the dataset are kept (${rule}: ${keep.countMax})`;
  if (ageMs > keep.ageMsMax) return `older than ${Math.round(keep.ageMsMax / DAY_MS)} days (${rule})`;
  return undefined;
}

function ruleOf(candidate: Candidate): keyof RetentionPolicy | undefined {
  if (candidate.pinned) return undefined;
  switch (candidate.stage) {
    case 'committed':
      return 'committed';
    case 'rolled_back':
    case 'denied':
    case 'cancelled':
      return 'failed';
    default:
      return undefined;
  }
}
