import { refusal, RefusedError } from '../base/refusal.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { hasJoined, validityOf } from './node-home.ts';

/** Looked at so often, ms: also how soon a renewal that failed is tried again. */
const LOOK_MS = 3_600_000;
/** Of a certificate's time after which it is renewed: the last third is for controllers that are away. */
const SHARE = 2 / 3;

export interface RenewalOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1: a thousand nodes that joined in one minute do not come back in one. */
  readonly random: () => number;
  /** See rotateCertificate. */
  readonly rotate: (home: string) => Promise<unknown>;
}

/** Keeps the certificate of a node that has joined from running out, for as long as its process runs. @returns what ends it */
export function renewInTime(home: string, { clock, log, random, rotate }: RenewalOptions): () => void {
  let stopped = false;
  let cancel = (): void => {};
  const look = async (): Promise<void> => {
    try {
      if (isDue(home, clock.now())) {
        await rotate(home);
        log.info({ until: new Date(validityOf(home).until).toISOString() }, 'the certificate was renewed');
      }
    } catch (error) {
      const { code, message } = error instanceof RefusedError ? error.refusal : refusal('internal', String(error));
      log.warn({ code, reason: message }, 'the certificate could not be renewed; it is tried again');
    }
    if (!stopped) next();
  };
  const next = (): void => {
    cancel = clock.after(LOOK_MS * (0.5 + random()), () => void look());
  };
  next();
  return () => {
    stopped = true;
    cancel();
  };
}

function isDue(home: string, now: number): boolean {
  if (!hasJoined(home)) return false;
  const { from, until } = validityOf(home);
  return now >= from + (until - from) * SHARE;
}
