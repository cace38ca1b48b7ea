import { firstFrom, type Lane } from './lanes.ts';
import type { Item } from './mutation.ts';

export type Step = 'earlier' | 'later' | 'above' | 'below' | 'first' | 'last';

/** The mutation one comes to from another by a key; without another, the newest of all. Undefined where there is none. */
export function stepFrom(lanes: readonly Lane[], id: string | undefined, step: Step): Item | undefined {
  const lane = lanes.findIndex(({ items }) => items.some((item) => item.id === id));
  const own = lanes[lane]?.items ?? [];
  const index = own.findIndex((item) => item.id === id);
  const item = own[index];
  if (item === undefined) return newest(lanes);
  switch (step) {
    case 'earlier':
      return own[index - 1];
    case 'later':
      return own[index + 1];
    case 'first':
      return own[0];
    case 'last':
      return own.at(-1);
    case 'above':
      return nearest(lanes.slice(0, lane).toReversed(), item.start);
    case 'below':
      return nearest(lanes.slice(lane + 1), item.start);
  }
}

function newest(lanes: readonly Lane[]): Item | undefined {
  return lanes.reduce<Item | undefined>((best, { items }) => {
    const last = items.at(-1);
    return last !== undefined && (best === undefined || last.start > best.start) ? last : best;
  }, undefined);
}

/** In the first lane that has any, the one that began nearest to `time`. */
function nearest(lanes: readonly Lane[], time: number): Item | undefined {
  const items = lanes.find((lane) => lane.items.length > 0)?.items;
  if (items === undefined) return undefined;
  const index = firstFrom(items.length, (at) => items[at]?.start ?? Infinity, time);
  const [before, after] = [items[index - 1], items[index]];
  if (before === undefined || after === undefined) return before ?? after;
  return time - before.start < after.start - time ? before : after;
}
