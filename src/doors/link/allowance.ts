/** So many at once, and so many a second in the long run. Counts in two numbers, without timers. */
export class Allowance {
  readonly #atOnceMax: number;
  readonly #perSecond: number;
  #left: number;
  #countedMono: number;

  constructor(atOnceMax: number, perSecond: number, mono: number) {
    this.#atOnceMax = atOnceMax;
    this.#perSecond = perSecond;
    this.#left = atOnceMax;
    this.#countedMono = mono;
  }

  /** @returns false when there is none left */
  take(mono: number): boolean {
    const regained = ((mono - this.#countedMono) / 1_000) * this.#perSecond;
    this.#left = Math.min(this.#atOnceMax, this.#left + regained);
    this.#countedMono = mono;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
