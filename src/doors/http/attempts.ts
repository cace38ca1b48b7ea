/** So many bad tries of one address at once, and then one in so many ms. */
const TRIES_MAX = 10;
const TRY_EVERY_MS = 6_000;
/** Addresses that are remembered; those that have waited longest are forgotten first. */
const ADDRESSES_MAX = 1_024;

/**
 * Counts the bad tries to log in, by address. Nobody guesses a token of 256 bits; but somebody who tries is not let do it at the speed
 * of the machine.
 */
export class Attempts {
  readonly #mono: () => number;
  /** When an address will have all its tries again, ms. The one that failed last stands last. */
  readonly #restedAt = new Map<string, number>();

  /** @param mono monotonic clock, ms */
  constructor(mono: () => number) {
    this.#mono = mono;
  }

  /** How long an address has to wait before it may try, ms; 0: it may. */
  waitMs(address: string): number {
    const restMs = (this.#restedAt.get(address) ?? 0) - this.#mono();
    return Math.max(0, restMs - (TRIES_MAX - 1) * TRY_EVERY_MS);
  }

  failed(address: string): void {
    const before = Math.max(this.#restedAt.get(address) ?? 0, this.#mono());
    this.#restedAt.delete(address);
    this.#restedAt.set(address, before + TRY_EVERY_MS);
    if (this.#restedAt.size > ADDRESSES_MAX) this.#restedAt.delete(this.#restedAt.keys().next().value ?? '');
  }
}
