import type { MutationView } from '../src/wire/http.ts';

/** Values → words for people. */

export type Stage = MutationView['stage'];

/** What a stage looks like: the final ones as they are, everything on its way as `cleared`, and what waits as `queued`. */
export type Look = 'committed' | 'rolled_back' | 'denied' | 'cancelled' | 'quarantined' | 'cleared' | 'queued';

const STAGES: Readonly<Record<Stage, { readonly look: Look; readonly words: string }>> = {
  queued: { look: 'queued', words: 'Waiting' },
  halting: { look: 'cleared', words: 'Halting the mesh' },
  snapshotting: { look: 'cleared', words: 'Freezing' },
  verifying: { look: 'cleared', words: 'Proving the halt' },
  cleared: { look: 'cleared', words: 'Cleared' },
  committing: { look: 'cleared', words: 'Committing' },
  withdrawing: { look: 'cleared', words: 'Withdrawing' },
  rolling_back: { look: 'rolled_back', words: 'Rolling back' },
  quarantined: { look: 'quarantined', words: 'Quarantined' },
  committed: { look: 'committed', words: 'Committed' },
  rolled_back: { look: 'rolled_back', words: 'Rolled back' },
  denied: { look: 'denied', words: 'Denied' },
  cancelled: { look: 'cancelled', words: 'Cancelled' },
};

export function lookOf(stage: Stage): Look {
  return STAGES[stage].look;
}

export function stageWords(stage: Stage): string {
  return STAGES[stage].words;
}

/** `0.4 s`, `12 s`, `3 min`, `2 h 5 min`, `3 d`. @param ms negative counts as none */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.round(hours / 24)} d`;
}

/** `just now`, `12 s ago`, `3 min ago`. */
export function ago(ms: number): string {
  return ms < 1000 ? 'just now' : `${duration(Math.floor(ms / 1000) * 1000).replace('.0 s', ' s')} ago`;
}

/** `1 node`, `3 nodes`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}
