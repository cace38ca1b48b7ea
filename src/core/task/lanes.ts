import { type DatasetName, overlap } from '../dataset.ts';
import { readHeader } from './header.ts';

/** A task as far as it matters when it may begin. */
export interface Queued {
  readonly name: string;
  /** What it is to change; empty: it will be denied, and changes nothing. */
  readonly datasets: readonly DatasetName[];
  /** It is critical, and conflicts with everything; or nobody can tell before it is judged. */
  readonly alone: boolean;
}

/**
 * Which tasks may begin now, in order: one at a time for each dataset. One that waits holds back those behind it that conflict with it, so
 * that on a dataset tasks keep their order; and a name is one task's at a time.
 *
 * These are the conflicts of the controller's locks, as far as they can be told here. Whoever begins too early would only wait there: and
 * be denied when that takes longer than a task waits.
 *
 * @param waiting in order
 * @param max so many run at once at most
 */
export function startable<T extends Queued>(waiting: readonly T[], running: readonly Queued[], max: number): T[] {
  const ahead: Queued[] = [...running];
  const starting: T[] = [];
  for (const task of waiting) {
    if (running.length + starting.length >= max) break;
    if (!ahead.some((other) => other.name === task.name || conflict(other, task))) starting.push(task);
    ahead.push(task);
  }
  return starting;
}

function conflict(a: Queued, b: Queued): boolean {
  if (a.alone || b.alone) return true;
  return a.datasets.some((one) => b.datasets.some((other) => isPath(one) !== isPath(other) || overlap(one, other)));
}

/** Whether a dataset of a pool lies at a path, only its host knows. */
function isPath(name: DatasetName): boolean {
  return name.startsWith('/');
}

/**
 * What a task says it is to change, before it is judged.
 *
 * @param text its beginning
 * @param whole whether that is all of it
 * @param own what a task changes that does not say so itself
 */
export function queuedAs(name: string, text: string, whole: boolean, own: readonly DatasetName[]): Queued {
  const lines = whole ? text : text.slice(0, text.lastIndexOf('\n') + 1);
  const goesOn = !whole && lines.split('\n').every((line) => line === '' || line.startsWith('#'));
  const header = readHeader(lines);
  if (!header.ok) return { name, datasets: [], alone: false };
  return { name, datasets: header.value.datasets ?? own, alone: goesOn || header.value.mode === 'critical' };
}
