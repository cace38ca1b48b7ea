import { namedAt } from './name.ts';

/** What a snapshot on the storage says of the numbers that must never be given again. */
export interface Trace {
  readonly name: string;
  readonly fence: number;
  readonly createdAt: number;
}

/** Above every number that was ever given by counting, and far below where counting would become inexact. */
const FENCE_MAX = 2 ** 48;
/** A name can be ahead of its snapshot's time when the clock was set back, but not by more than that. */
const AHEAD_MS_MAX = 86_400_000;

/**
 * The highest fencing token, and the highest time in a name, that these snapshots bear witness to. A controller whose ledger is
 * lost begins above them. Whatever cannot be one of hauki's own numbers is passed over.
 */
export function floorsOf(traces: readonly Trace[]): { readonly fence: number; readonly namedAt: number } {
  let fence = 0;
  let named = 0;
  for (const trace of traces) {
    if (isFence(trace.fence)) fence = Math.max(fence, trace.fence);
    if (!Number.isSafeInteger(trace.createdAt)) continue;
    named = Math.max(named, trace.createdAt, timeOf(trace));
  }
  return { fence, namedAt: named };
}

/**
 * When a mutation got its snapshots, in the order in which mutations got theirs: names never go backwards and know milliseconds,
 * which is more than storages say of their clocks.
 */
export function timeOf({ name, createdAt }: Pick<Trace, 'name' | 'createdAt'>): number {
  return Math.min(namedAt(name) ?? createdAt, createdAt + AHEAD_MS_MAX);
}

export function isFence(fence: number): boolean {
  return Number.isSafeInteger(fence) && fence >= 0 && fence < FENCE_MAX;
}
