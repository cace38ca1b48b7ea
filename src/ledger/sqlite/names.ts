import type { Place } from '../../core/dataset.ts';

/** What a dataset is found under: its name, and its place where that is another. */
export function namesOf({ name, at }: Place): string[] {
  return at === undefined || at === name ? [name] : [name, at];
}
