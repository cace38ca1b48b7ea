import type { Item } from './mutation.ts';

/** One line of bars, in order of their requests. */
export interface Row {
  readonly items: readonly Item[];
  /** The latest end of an item and all before it: grows, so what is in view is found by halving. */
  readonly reach: Float64Array;
}

/** What happened on one node. What overlaps stands in rows below one another. */
export interface Lane {
  readonly node: string;
  readonly rows: readonly Row[];
  /** All of it, in order of the bars' beginnings. */
  readonly items: readonly Item[];
}

/** More rows would make one busy node hide the others; from here on bars are drawn over one another. */
const ROWS_MAX = 4;

/**
 * A lane for each node, in their order; then for those that only mutations know of (revoked since, or callers that never were nodes),
 * by name.
 */
export function lanesOf(nodes: readonly string[], items: readonly Item[]): Lane[] {
  const byNode = new Map<string, Item[]>(nodes.map((node) => [node, []]));
  const strangers = new Map<string, Item[]>();
  for (const item of items) {
    const there = byNode.get(item.node) ?? strangers.get(item.node);
    if (there === undefined) strangers.set(item.node, [item]);
    else there.push(item);
  }
  const after = [...strangers].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [...byNode, ...after].map(([node, own]) => ({
    node,
    rows: rowsOf(own.toSorted((a, b) => a.asked - b.asked || compare(a.id, b.id))),
    items: own.toSorted((a, b) => a.start - b.start || compare(a.id, b.id)),
  }));
}

function rowsOf(items: readonly Item[]): Row[] {
  const rows: { items: Item[]; until: number }[] = [];
  for (const item of items) {
    let row = rows.find(({ until }) => until <= item.asked);
    if (row === undefined && rows.length < ROWS_MAX) {
      row = { items: [], until: -Infinity };
      rows.push(row);
    }
    // None is free: where it gets free soonest, the overlap is shortest.
    row ??= rows.reduce((best, next) => (next.until < best.until ? next : best));
    row.items.push(item);
    row.until = Math.max(row.until, item.end);
  }
  if (rows.length === 0) rows.push({ items: [], until: 0 });
  return rows.map(({ items }) => {
    const reach = new Float64Array(items.length);
    let until = -Infinity;
    for (const [index, item] of items.entries()) {
      until = Math.max(until, item.end);
      reach[index] = until;
    }
    return { items, reach };
  });
}

/** The index of the first value that is not below `value`, in values that do not fall. */
export function firstFrom(length: number, at: (index: number) => number, value: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(middle) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
