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
    const inName = Math.min(namedAt(trace.name) ?? 0, trace.createdAt + AHEAD_MS_MAX);
    named = Math.max(named, trace.createdAt, inName);
  }
  return { fence, namedAt: named };
}

export function isFence(fence: number): boolean {
  return Number.isSafeInteger(fence) && fence >= 0 && fence < FENCE_MAX;
}
