import type { Clock } from '../ports/clock.ts';
import type { LedgerRecord } from '../ports/ledger.ts';
import type { Feed } from './feed.ts';

/** The first record from here on of which `pick` makes something, and what that is. */
export function nextEvent<T>(
  feed: Feed,
  pick: (record: LedgerRecord) => T | undefined,
): { readonly promise: Promise<T>; readonly cancel: () => void } {
  let cancel = (): void => {};
  const promise = new Promise<T>((resolve) => {
    cancel = feed.subscribe((record) => {
      const picked = pick(record);
      if (picked === undefined) return;
      cancel();
      resolve(picked);
    });
  });
  return { promise, cancel: () => cancel() };
}

/** @returns undefined when it takes longer */
export function within<T>(msMax: number, promise: Promise<T>, clock: Clock): Promise<T | undefined> {
  return new Promise((resolve) => {
    const cancel = clock.after(msMax, () => resolve(undefined));
    void promise.then((value) => {
      cancel();
      resolve(value);
    });
  });
}
