import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

export interface CertificateOptions {
  /** When the certificate begins and ends; wall clock, ms. @throws when it cannot be read */
  readonly validity: () => { readonly from: number; readonly until: number };
  /** Brings another. @throws when that cannot be done now */
  readonly rotate: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** A third of the time is left for whatever keeps the controller from answering. */
const SHARE_USED = 2 / 3;
const LOOK_MS = 3_600_000;

/** Has a node's certificate renewed before it ends: looks at once, and every hour. @returns what ends it */
export function keepCertified({ validity, rotate, clock, log }: CertificateOptions): () => void {
  let cancel = (): void => {};
  let over = false;
  const look = async (): Promise<void> => {
    try {
      const { from, until } = validity();
      if (clock.now() >= from + (until - from) * SHARE_USED) {
        await rotate();
        log.info({ until: new Date(validity().until).toISOString() }, 'the certificate was renewed');
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log.error({ why, againMs: LOOK_MS }, 'the certificate could not be renewed; it is tried again');
    }
    if (!over) cancel = clock.after(LOOK_MS, () => void look());
  };
  void look();
  return () => {
    over = true;
    cancel();
  };
}
