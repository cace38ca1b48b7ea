import { CODES } from '../../base/codes.ts';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { describePrincipal, type Principal } from './principal.ts';

const MINUTE_MS = 60_000;
/** Denials a minute that a caller gets from the ledger, each on record for itself; then the door denies. */
const DENIALS_MAX = 60;

/**
 * Every denied request is a piece of the ledger for ever. Who asks over and over for what it may not have is sent away at the door after a
 * while, which is on record too, but not each time. An operator is never sent away.
 */
export class Patience {
  #minute = 0;
  #denied = new Map<string, number>();

  /** A request of a caller was denied in the ledger. What another moment could have granted does not count. */
  denied(principal: Principal | undefined, { code }: Refusal): void {
    if (CODES[code].retry && code !== 'rate_limited') return;
    this.#turn();
    const key = keyOf(principal);
    if (key !== undefined) this.#denied.set(key, (this.#denied.get(key) ?? 0) + 1);
  }

  /** Why a caller is not heard at all right now; undefined: it is. */
  ended(principal: Principal | undefined): Refusal | undefined {
    this.#turn();
    const key = keyOf(principal);
    if (key === undefined || (this.#denied.get(key) ?? 0) < DENIALS_MAX) return undefined;
    return refusal(
      'rate_limited',
      `${key} was denied ${DENIALS_MAX} times in this minute, and is not heard until it is over.`,
    );
  }

  #turn(): void {
    const minute = Math.floor(performance.now() / MINUTE_MS);
    if (minute === this.#minute) return;
    this.#minute = minute;
    this.#denied = new Map();
  }
}

function keyOf(principal: Principal | undefined): string | undefined {
  return principal === undefined || principal.kind === 'operator' ? undefined : describePrincipal(principal);
}
