import { type DatasetName, overlap } from '../dataset.ts';

/** A task as far as it matters when it may begin. */
export interface Queued {
  readonly name: string;
  /** What it is to change; empty: it will be denied, and changes nothing. */
  readonly datasets: readonly DatasetName[];
}

/**
 * Which tasks may begin now, in order: one at a time for each dataset. One that waits holds back those behind it that change the same, so
 * that on a dataset tasks keep their order; and a name is one task's at a time.
 *
 * @param waiting in order
 * @param max so many run at once at most
 */
export function startable<T extends Queued>(waiting: readonly T[], running: readonly Queued[], max: number): T[] {
  const ahead: Queued[] = [...running];
  const starting: T[] = [];
  for (const task of waiting) {
    if (running.length + starting.length >= max) break;
    if (!ahead.some((other) => other.name === task.name || overlaps(other, task))) starting.push(task);
    ahead.push(task);
  }
  return starting;
}

function overlaps(a: Queued, b: Queued): boolean {
  return a.datasets.some((one) => b.datasets.some((other) => overlap(one, other)));
}
