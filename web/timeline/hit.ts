import type { Cluster, Detail } from './detail.ts';
import { endOf, type Item } from './mutation.ts';
import { type Span, xOf } from './span.ts';

export type Hit =
  | { readonly kind: 'mutation'; readonly item: Item }
  | { readonly kind: 'cluster'; readonly cluster: Cluster }
  | undefined;

/**
 * What is at a place of a row: that which is drawn nearest to it.
 *
 * @param x in px from the left of the view
 * @param within how far it may be off, in px: a finger needs more than a mouse
 * @param now where open bars end
 */
export function hitAt(detail: Detail, span: Span, width: number, x: number, within: number, now: number): Hit {
  let best: Hit;
  let least = within;
  const off = (from: number, to: number): number => Math.max(0, xOf(span, width, from) - x, x - xOf(span, width, to));
  for (const cluster of detail.clusters) {
    const distance = off(cluster.from, cluster.to);
    if (distance > least) continue;
    least = distance;
    best = { kind: 'cluster', cluster };
  }
  for (const item of detail.pips) {
    const distance = off(item.start, endOf(item, now));
    if (distance > least) continue;
    least = distance;
    best = { kind: 'mutation', item };
  }
  // Of bars that lie over one another the shortest is the one in front.
  let shortest = Infinity;
  for (const item of detail.bars) {
    const distance = off(item.start, endOf(item, now));
    if (distance > least) continue;
    const length = endOf(item, now) - item.start;
    if (distance === least && length >= shortest) continue;
    least = distance;
    shortest = length;
    best = { kind: 'mutation', item };
  }
  return best;
}
