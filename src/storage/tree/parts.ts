import { linkGroups } from './compare.ts';
import { depthOf, type Entries, type Entry, parentOf } from './entry.ts';

/** A tree cut into parts that can be copied at the same time. */
export interface Parts {
  /** Each with everything in it; none lies in another. */
  readonly paths: readonly string[];
  /** The directories around them, the root among them, outer ones first: made before the parts, and settled after them. */
  readonly frame: readonly Entry[];
}

const SMALLEST = 64;
const PARTS_WANTED = 16;

/**
 * Cuts large directories open until the pieces are small.
 * @returns undefined when two names of one file would end up in different parts: who copies both must see both
 */
export function partsOf(entries: Entries): Parts | undefined {
  const sizes = sizesOf(entries);
  const limit = Math.max(SMALLEST, entries.size / PARTS_WANTED);
  // Whatever holds a large directory is larger still, so the frame has no gaps.
  const isFrame = ({ path, type }: Entry): boolean => type === 'd' && (path === '' || (sizes.get(path) ?? 0) > limit);
  const frame = [...entries.values()].filter(isFrame).toSorted((a, b) => depthOf(a.path) - depthOf(b.path));
  const framed = new Set(frame.map(({ path }) => path));
  const isPart = (path: string): boolean => !framed.has(path) && framed.has(parentOf(path));

  const namesOf = linkGroups(entries);
  for (const entry of entries.values()) {
    const names = namesOf(entry);
    if (names !== '' && new Set(names.split('\0').map(partAround)).size > 1) return undefined;
  }
  return { paths: [...entries.keys()].filter(isPart), frame };

  function partAround(path: string): string {
    let at = path;
    while (!isPart(at)) at = parentOf(at);
    return at;
  }
}

/** How many entries a directory has, in all. */
function sizesOf(entries: Entries): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const path of entries.keys()) {
    for (let at = parentOf(path); at !== ''; at = parentOf(at)) sizes.set(at, (sizes.get(at) ?? 0) + 1);
  }
  return sizes;
}
