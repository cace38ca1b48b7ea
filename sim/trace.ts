/** What happened, step by step: a hash of everything, and the last lines for people. */
export class Trace {
  readonly #keep: number;
  readonly #print: ((line: string) => void) | undefined;
  #lines: string[] = [];
  #hash = 0x811c9dc5;

  /** @param keep how many of the last lines to remember */
  constructor(keep: number, print?: (line: string) => void) {
    this.#keep = keep;
    this.#print = print;
  }

  say(at: number, text: string): void {
    const line = `${(at / 1000).toFixed(3).padStart(9)} ${text}`;
    let hash = this.#hash;
    for (let index = 0; index < line.length; index += 1) hash = Math.imul(hash ^ line.charCodeAt(index), 0x01000193);
    this.#hash = hash;
    this.#lines.push(line);
    if (this.#lines.length >= 2 * this.#keep) this.#lines = this.#lines.slice(-this.#keep);
    this.#print?.(line);
  }

  /** FNV-1a over all lines: two runs with the same one did the same. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  get last(): readonly string[] {
    return this.#lines.slice(-this.#keep);
  }
}
