import { Observed } from './observed.ts';

/** One that changes no more often than every so often: the first value at once, and of what comes meanwhile the last. */
export class Paced<T> extends Observed<T> {
  readonly #everyMs: number;
  #next: { readonly value: T } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(value: T, everyMs: number) {
    super(value);
    this.#everyMs = everyMs;
  }

  override set(value: T): void {
    this.#next = { value };
    if (this.#timer === undefined) this.#tell();
  }

  #tell(): void {
    if (this.#next === undefined) return;
    const { value } = this.#next;
    this.#next = undefined;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#tell();
    }, this.#everyMs);
    super.set(value);
  }
}
