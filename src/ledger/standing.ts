import { EMPTY, type State } from '../core/state.ts';

/** What stands in the state besides the mutations. */
export type Standing = Omit<State, 'mutations'>;

/** Its parts, each stored under its own name so that only what changed is written. */
export const PARTS = [
  'counters',
  'seals',
  'condemned',
  'stuck',
  'findings',
  'nodes',
  'invitations',
  'tokens',
  'pace',
] as const;
export type Part = (typeof PARTS)[number];

export function writePart(standing: Standing, part: Part): string {
  const value = standing[part];
  return JSON.stringify(value instanceof Map ? [...value] : value);
}

/** @param text of a part, undefined when it was never written */
export function readStanding(text: (part: Part) => string | undefined): Standing {
  const parsed = (part: Part): unknown => JSON.parse(text(part) ?? 'null');
  return {
    counters: (parsed('counters') as Standing['counters'] | null) ?? EMPTY.counters,
    findings: (parsed('findings') as Standing['findings'] | null) ?? EMPTY.findings,
    seals: new Map(parsed('seals') as Entries<Standing['seals']> | null),
    stuck: new Map(parsed('stuck') as Entries<Standing['stuck']> | null),
    condemned: new Map(parsed('condemned') as Entries<Standing['condemned']> | null),
    nodes: new Map(parsed('nodes') as Entries<Standing['nodes']> | null),
    invitations: new Map(parsed('invitations') as Entries<Standing['invitations']> | null),
    tokens: new Map(parsed('tokens') as Entries<Standing['tokens']> | null),
    pace: new Map(parsed('pace') as Entries<Standing['pace']> | null),
  };
}

type Entries<M> = M extends ReadonlyMap<infer K, infer V> ? (readonly [K, V])[] : never;
