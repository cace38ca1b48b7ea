import type { Row } from './lanes.ts';
import type { Item, Outcome } from './mutation.ts';
import { OUTCOMES } from './mutation.ts';

/** Several mutations too short and too near to one another to be told apart at this level. */
export interface Cluster {
  readonly items: readonly Item[];
  /** From the beginning of the first to the end of the last. */
  readonly from: number;
  readonly to: number;
  /** How many of each, in the order of `OUTCOMES`. */
  readonly counts: readonly number[];
}

/** What of a row is drawn how: long ones as bars, short ones alone as their shape, short ones together as clusters. */
export interface Detail {
  readonly bars: readonly Item[];
  readonly pips: readonly Item[];
  readonly clusters: readonly Cluster[];
}

const CELL_PX_MIN = 9;

/**
 * The length of a cell of time, in ms: a power of two that takes 9 to 18 px. Cells lie on a grid of time, not of the screen, so that
 * nothing flickers while the view is panned, and what was reckoned for one position holds for all others.
 */
export function cellMs(msPerPx: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(msPerPx, 2 ** -10) * CELL_PX_MIN));
}

export function detailOf(row: Row, cell: number): Detail {
  const bars: Item[] = [];
  const pips: Item[] = [];
  const clusters: Cluster[] = [];
  const short: Item[] = [];
  for (const item of row.items) {
    if (item.end - item.start >= cell) bars.push(item);
    else short.push(item);
  }
  // Rows are in the order of the requests, and one that waited long may begin after one that did not.
  short.sort((a, b) => a.start - b.start);
  let together: Item[] = [];
  let at = -Infinity;
  const close = (): void => {
    const [first] = together;
    if (first === undefined) return;
    if (together.length === 1) pips.push(first);
    else clusters.push(clusterOf(together, first));
    together = [];
  };
  for (const item of short) {
    const index = Math.floor(item.start / cell);
    if (index !== at) close();
    at = index;
    together.push(item);
  }
  close();
  return { bars, pips, clusters };
}

function clusterOf(items: readonly Item[], first: Item): Cluster {
  const counts = OUTCOMES.map(() => 0);
  let to = first.end;
  for (const item of items) {
    const index = OUTCOMES.indexOf(item.outcome);
    counts[index] = (counts[index] ?? 0) + 1;
    to = Math.max(to, item.end);
  }
  return { items, from: first.start, to, counts };
}

/** Remembers what was reckoned, for as long as lanes and level stay the same. */
export class Details {
  #cell = 0;
  #known = new WeakMap<Row, Detail>();

  of(row: Row, cell: number): Detail {
    if (cell !== this.#cell) {
      this.#cell = cell;
      this.#known = new WeakMap();
    }
    const known = this.#known.get(row);
    if (known !== undefined) return known;
    const detail = detailOf(row, cell);
    this.#known.set(row, detail);
    return detail;
  }
}

/** How many began in each of equal parts of time, by outcome: what the overview draws. */
export function binsOf(items: readonly Item[], from: number, to: number, bins: number): Map<Outcome, Uint32Array> {
  const counts = new Map<Outcome, Uint32Array>(OUTCOMES.map((outcome) => [outcome, new Uint32Array(bins)]));
  for (const item of items) {
    const bin = Math.min(bins - 1, Math.floor(((item.start - from) / (to - from)) * bins));
    const of = counts.get(item.outcome);
    if (of !== undefined && bin >= 0) of[bin] = (of[bin] ?? 0) + 1;
  }
  return counts;
}
