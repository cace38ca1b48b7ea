import { itemOf, type Item, type TimelineMutation } from '../../../web/timeline/mutation.ts';

/** Times in the tests are seconds after this. */
export const EPOCH = Date.UTC(2026, 5, 16, 16, 0, 0);

export const at = (seconds: number): string => new Date(EPOCH + seconds * 1_000).toISOString();

/** A committed mutation of web1's, from `cleared` to `ended` in seconds; `with` says what is different. */
export function mutation(
  id: string,
  cleared: number,
  ended: number | undefined,
  other: Partial<TimelineMutation> = {},
): TimelineMutation {
  return {
    mutation: id,
    node: 'web1',
    intent: `change ${id}`,
    mode: 'standard',
    stage: ended === undefined ? 'cleared' : 'committed',
    requestedAt: at(cleared),
    clearedAt: at(cleared),
    ...(ended === undefined ? {} : { endedAt: at(ended) }),
    snapshots: [],
    ...other,
  };
}

export function item(...args: Parameters<typeof mutation>): Item {
  return itemOf(mutation(...args));
}
