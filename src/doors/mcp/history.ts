import { type Place, overlapping } from '../../core/dataset.ts';
import type { MutationView } from '../../wire/http.ts';
import type { Agent } from './agent.ts';
import { first } from './answers.ts';

/** Which mutations. */
export interface Wanted {
  /** A dataset, or a path in one. */
  readonly dataset?: string | undefined;
  readonly node?: string | undefined;
  readonly outcome?: string | undefined;
  /** ISO 8601. */
  readonly since?: string | undefined;
  /** Letters of the intent, in any case. */
  readonly text?: string | undefined;
  readonly limit: number;
}

/** How many mutations of a page, and how many are looked at in all. */
const PAGE = 200;
const LOOKED_AT_MAX = 2_000;

/** One mutation, as much of it as a list has room for. */
export interface Line {
  readonly mutation: string;
  readonly node: string;
  readonly intent: string;
  readonly outcome: string;
  readonly datasets: readonly string[];
  readonly requestedAt: string;
  readonly endedAt?: string;
  readonly snapshots: readonly string[];
  /** Where a failed state is kept. */
  readonly evidence?: readonly string[];
  readonly why?: string;
}

export interface Found {
  readonly mutations: readonly MutationView[];
  /** False: older ones were not looked at. */
  readonly all: boolean;
}

/** Newest first. */
export async function search(agent: Pick<Agent, 'log'>, wanted: Wanted): Promise<Found> {
  const { node, outcome, since, limit } = wanted;
  const query = {
    limit: String(PAGE),
    ...(node === undefined ? {} : { node }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(since === undefined ? {} : { since }),
  };
  const found: MutationView[] = [];
  let before: string | undefined;
  for (let looked = 0; looked < LOOKED_AT_MAX; looked += PAGE) {
    const { mutations } = await agent.log({ ...query, ...(before === undefined ? {} : { before }) });
    for (const mutation of mutations) {
      if (!fits(mutation, wanted)) continue;
      if (found.length === limit) return { mutations: found, all: false };
      found.push(mutation);
    }
    before = mutations.at(-1)?.mutation;
    if (mutations.length < PAGE) return { mutations: found, all: true };
  }
  return { mutations: found, all: false };
}

function fits({ datasets, intent }: MutationView, { dataset, text }: Wanted): boolean {
  const here = dataset === undefined || datasets.some((one) => concerns(one, { name: dataset }));
  return here && (text === undefined || intent.toLowerCase().includes(text.toLowerCase()));
}

/** A dataset that is no path is known by its place as well. */
function concerns({ name, at }: Place, wanted: Place): boolean {
  return overlapping({ name, at }, wanted) || (at !== undefined && overlapping({ name: at }, wanted));
}

export function lineOf(view: MutationView): Line {
  const { mutation, node, intent, stage, datasets, requestedAt, endedAt, snapshots, evidence, reason } = view;
  return {
    mutation,
    node,
    intent,
    outcome: stage,
    datasets: datasets.map(({ name }) => name),
    requestedAt,
    ...(endedAt === undefined ? {} : { endedAt }),
    snapshots: snapshots.map(({ name }) => name),
    ...(evidence.length === 0 ? {} : { evidence: evidence.map(({ path }) => path) }),
    ...(reason === undefined ? {} : { why: reason.message }),
  };
}

/** Mutations whose changes are looked at for a single file: comparing trees takes time. */
const COMPARED_MAX = 5;
const EXPLAINED_MAX = 20;

/** Why some state is as it is. */
export interface Explanation {
  readonly words: string;
  /** What is being changed at this moment. */
  readonly open: readonly Line[];
  /** What made it what it is, newest first. */
  readonly inForce: readonly Line[];
  /** What was tried and left no trace but evidence. */
  readonly undone: readonly Line[];
  /** For a path in a dataset: which of the newest mutations in force changed it. */
  readonly changedBy?: readonly string[];
  readonly all: boolean;
}

const UNDONE: ReadonlySet<string> = new Set(['rolled_back', 'denied', 'cancelled']);

/** From the record: who changed it last, why, and what was tried besides. */
export async function explain(agent: Pick<Agent, 'log' | 'diff'>, path: string): Promise<Explanation> {
  const { mutations, all } = await search(agent, { dataset: path, limit: EXPLAINED_MAX });
  const inForce = mutations.filter(({ stage }) => stage === 'committed');
  const undone = mutations.filter(({ stage }) => UNDONE.has(stage));
  const open = mutations.filter(({ stage }) => stage !== 'committed' && !UNDONE.has(stage));
  const inside = inForce.filter(({ datasets }) => datasets.some((one) => pathIn(path, one) !== undefined));
  const changedBy = inside.length === 0 ? undefined : await changers(agent, path, first(inside, COMPARED_MAX).shown);
  const lastId = changedBy === undefined ? inForce[0]?.mutation : changedBy[0];
  const last = inForce.find(({ mutation }) => mutation === lastId);
  const words = [
    last === undefined
      ? `No committed mutation ${changedBy === undefined ? 'on record touched' : 'is known to have changed'} ${path}.`
      : `${path} was last changed by ${last.node} at ${last.endedAt ?? last.requestedAt}, to "${last.intent}" (mutation ${last.mutation}, committed).`,
    open.length === 0 ? '' : `${open.length} open right now: it may be in the middle of a change.`,
    undone.length === 0 ? '' : `${undone.length} more were tried and undone or refused.`,
    'Changes made without hauki are on no record.',
  ];
  return {
    words: words.filter((one) => one !== '').join(' '),
    open: open.map(lineOf),
    inForce: inForce.map(lineOf),
    undone: undone.map(lineOf),
    ...(changedBy === undefined ? {} : { changedBy }),
    all,
  };
}

/** @returns ids, newest first; one whose snapshot is gone is not known to have changed it */
async function changers(
  agent: Pick<Agent, 'diff'>,
  path: string,
  mutations: readonly MutationView[],
): Promise<string[]> {
  const found: string[] = [];
  for (const view of mutations) {
    const diff = await agent.diff(view.mutation).catch(() => undefined);
    const changed = diff?.datasets.some(({ dataset, added, modified, removed }) => {
      const place = view.datasets.find(({ name }) => name === dataset);
      const inner = place === undefined ? undefined : pathIn(path, place);
      if (inner === undefined) return false;
      // A folder that came or went took everything in it along; one that was only modified did not.
      const gone = [...added, ...removed].some((one) => one === inner || inner.startsWith(`${one}/`));
      return gone || [...added, ...modified, ...removed].some((one) => one === inner || one.startsWith(`${inner}/`));
    });
    if (changed) found.push(view.mutation);
  }
  return found;
}

/** The path from the top of a dataset, where it lies strictly inside: `a/b`. */
function pathIn(path: string, { name, at }: Place): string | undefined {
  const top = [name, at].find((one) => one !== undefined && path.startsWith(one === '/' ? one : `${one}/`));
  return top === undefined ? undefined : path.slice(top.length).replace(/^\//, '');
}
