/** How a file in the inbox looked. Times are those of its file system, ms. */
export interface Look {
  readonly size: number;
  readonly modifiedMs: number;
  /** Of its inode: renaming a file changes it, and not the time above. */
  readonly changedMs: number;
}

/** A file that is being written rests for so long now and then, ms. */
const REST_MS = 1_200;
/** One that came by its name in one step was whole before; this is for whoever made it executable in the middle of writing it. */
const REST_WHOLE_MS = 25;

/**
 * For how long a file has to stay as it is before it counts as whole, ms; undefined while it is empty, which no task is.
 *
 * Nobody tells who only looks at a folder that a file is finished. But what is written in place was changed last by the writing, and what
 * was renamed, or copied with its times, was changed later than it was written.
 */
export function restMs({ size, modifiedMs, changedMs }: Look): number | undefined {
  if (size === 0) return undefined;
  return changedMs > modifiedMs ? REST_WHOLE_MS : REST_MS;
}

export function isSame(a: Look, b: Look): boolean {
  return a.size === b.size && a.modifiedMs === b.modifiedMs && a.changedMs === b.changedMs;
}
