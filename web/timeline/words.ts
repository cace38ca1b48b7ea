import type { Cluster } from './detail.ts';
import { endOf, type Item, type Outcome, OUTCOMES } from './mutation.ts';

export const OUTCOME_WORDS: Readonly<Record<Outcome, string>> = {
  committed: 'committed',
  cleared: 'open',
  waiting: 'waiting',
  cancelled: 'cancelled',
  denied: 'denied',
  rolled_back: 'rolled back',
  quarantined: 'quarantined',
};

/** `850 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h` */
export function durationWords(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toString()} s`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 3_600) return pair(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 24 * 60) return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.floor(minutes / 60);
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/** `2026-06-16 16:24:56 UTC` */
export function timeWords(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** How long the change took, or takes already; undefined for what was never cleared. */
export function lastingWords(item: Item, now: number): string | undefined {
  if (item.outcome === 'denied' || item.outcome === 'cancelled') return undefined;
  return durationWords(endOf(item, now) - item.start);
}

/** One sentence for somebody who does not see it. */
export function itemWords(item: Item, now: number): string {
  const lasting = lastingWords(item, now);
  return [
    `${item.node}: ${item.intent}`,
    item.critical ? `critical, ${OUTCOME_WORDS[item.outcome]}` : OUTCOME_WORDS[item.outcome],
    timeWords(item.start),
    ...(lasting === undefined ? [] : [lasting]),
    ...(item.snapshots === 0 ? [] : [item.snapshots === 1 ? '1 snapshot' : `${item.snapshots} snapshots`]),
  ].join(', ');
}

/** `12 mutations: 10 committed, 2 rolled back` */
export function clusterWords({ items, counts }: Cluster): string {
  const parts = OUTCOMES.map((outcome, index) => ({ outcome, count: counts[index] ?? 0 }))
    .filter(({ count }) => count > 0)
    .map(({ outcome, count }) => `${count} ${OUTCOME_WORDS[outcome]}`);
  return `${items.length} mutations: ${parts.join(', ')}`;
}

function pair(major: number, majorUnit: string, minor: number, minorUnit: string): string {
  return minor === 0 ? `${major} ${majorUnit}` : `${major} ${majorUnit} ${minor} ${minorUnit}`;
}
