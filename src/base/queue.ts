/** First in, first out, with a bound: what does not fit is refused at once, instead of filling the memory. */
export class BoundedQueue<T> {
  readonly #items: T[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get length(): number {
    return this.#items.length;
  }

  /** @returns false when the queue is full; the item is not in it then */
  offer(item: T): boolean {
    if (this.#items.length >= this.#max) return false;
    this.#items.push(item);
    return true;
  }

  /** For what must not be lost whatever the load: answers of effects, the clock, the end of a holder. */
  force(item: T): void {
    this.#items.push(item);
  }

  /** The oldest items, at most `max`. */
  take(max: number): T[] {
    return this.#items.splice(0, max);
  }
}
