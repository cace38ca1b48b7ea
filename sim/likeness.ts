import { canonicalJson } from '../src/base/canonical.ts';
import type { Mutation } from '../src/core/mutation/mutation.ts';
import type { State } from '../src/core/state.ts';

export function alike(a: Mutation, b: Mutation | undefined): boolean {
  // The keys mostly stand in the same order, and then the cheap comparison will do.
  return b !== undefined && (JSON.stringify(a) === JSON.stringify(b) || canonicalJson(a) === canonicalJson(b));
}

/** The order of mutations matters only among those that wait. */
export function comparable(state: State): string {
  const all = [...state.mutations.values()];
  return canonicalJson({
    queue: all.filter(({ stage }) => stage === 'queued').map(({ id }) => id),
    mutations: Object.fromEntries(state.mutations),
    counters: state.counters,
    seals: Object.fromEntries(state.seals),
    stuck: Object.fromEntries(state.stuck),
    findings: state.findings,
    condemned: Object.fromEntries(state.condemned),
    nodes: Object.fromEntries(state.nodes),
    invitations: Object.fromEntries(state.invitations),
    tokens: Object.fromEntries(state.tokens),
    pace: Object.fromEntries(state.pace),
  });
}
