/**
 * What a courier's stream carries between its first word and its last, byte for byte. Before the first stands what a login shell had to
 * say, after the last what the command left running.
 */
export class Between {
  /** The courier's first word: that it is ready for the command, and how it takes the command's stdin. */
  greeting: string | undefined;
  /** The courier's last word: how the command ended. */
  report: string | undefined;
  #held: Buffer = Buffer.alloc(0);
  #before: Buffer = Buffer.alloc(0);
  readonly #mark: Buffer;

  /** @param mark how each of the courier's words begins; they end with "}" */
  constructor(mark: Buffer) {
    this.#mark = mark;
  }

  get ready(): boolean {
    return this.greeting !== undefined;
  }

  /** What was said before the courier was ready; its end, if it was long. */
  get before(): string {
    return this.#before.toString('utf8').trim();
  }

  /** @returns what of it is the command's. Held back is only what could be the beginning of a word of the courier's. */
  push(chunk: Buffer): Buffer[] {
    if (this.report !== undefined) return [];
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const at = all.indexOf(this.#mark);
    const cut = at < 0 ? all.length - this.#beginningAtTheEnd(all) : at;
    const pieces = this.#passed(all.subarray(0, cut));
    this.#held = all.subarray(cut);
    if (at < 0) return pieces;
    const close = this.#held.indexOf('}', this.#mark.length);
    if (close < 0) return pieces;
    const word = this.#held.toString('latin1', this.#mark.length, close);
    const rest = this.#held.subarray(close + 1);
    this.#held = Buffer.alloc(0);
    if (this.ready) {
      this.report = word;
      return pieces;
    }
    this.greeting = word;
    return rest.length === 0 ? pieces : [...pieces, ...this.push(rest)];
  }

  #passed(bytes: Buffer): Buffer[] {
    if (bytes.length === 0) return [];
    if (this.ready) return [bytes];
    this.#before = Buffer.concat([this.#before, bytes]).subarray(-BEFORE_BYTES_MAX);
    return [];
  }

  #beginningAtTheEnd(bytes: Buffer): number {
    for (let length = Math.min(this.#mark.length - 1, bytes.length); length > 0; length -= 1) {
      if (bytes.subarray(-length).equals(this.#mark.subarray(0, length))) return length;
    }
    return 0;
  }
}

const BEFORE_BYTES_MAX = 4096;
