export interface Answers<T> {
  readonly value: (value: T) => void;
  readonly error: (error: unknown) => void;
}

/**
 * A question that is asked again when there is news. What is under way then is let come to its end first: were it broken off each
 * time, there would be no answer for as long as there is much news.
 */
export class Asked<T> {
  readonly #ask: (signal: AbortSignal) => Promise<T>;
  readonly #answers: Answers<T>;
  readonly #gone = new AbortController();
  #asking = false;
  #again = false;

  constructor(ask: (signal: AbortSignal) => Promise<T>, answers: Answers<T>) {
    this.#ask = ask;
    this.#answers = answers;
  }

  /** Asks now, or once more when what is under way has ended. */
  async ask(): Promise<void> {
    this.#again = true;
    if (this.#asking) return;
    this.#asking = true;
    const { signal } = this.#gone;
    while (this.#again && !signal.aborted) {
      this.#again = false;
      try {
        const value = await this.#ask(signal);
        if (!signal.aborted) this.#answers.value(value);
      } catch (error) {
        if (!signal.aborted) this.#answers.error(error);
      }
    }
    this.#asking = false;
  }

  /** Breaks off what is under way; nothing is told any more. */
  end(): void {
    this.#gone.abort();
  }
}
