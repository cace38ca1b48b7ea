import { refusal, type Refusal } from '../base/refusal.ts';

/** What is wrong with a diff, thrown through its readers. */
export class Malformed extends Error {
  readonly refusal: Refusal;

  constructor(reason: Refusal) {
    super(reason.message);
    this.refusal = reason;
  }
}

/** The lines of a diff, one after the other. A character is a byte. */
export class Lines {
  readonly #text: string;
  #start = 0;
  #number = 1;

  constructor(bytes: Buffer) {
    this.#text = bytes.toString('latin1');
  }

  get over(): boolean {
    return this.#start >= this.#text.length;
  }

  /** The line that is next, without its newline; '' at the end. */
  get next(): string {
    return this.#text.slice(this.#start, this.#end(this.#start));
  }

  /** The one after it. */
  get second(): string {
    const start = this.#end(this.#start) + 1;
    return this.#text.slice(start, this.#end(start));
  }

  get third(): string {
    const start = this.#end(this.#end(this.#start) + 1) + 1;
    return this.#text.slice(start, this.#end(start));
  }

  /** Whether the next line begins so; cheaper than to cut it out. */
  at(beginning: string): boolean {
    return this.#text.startsWith(beginning, this.#start);
  }

  skip(): void {
    this.#start = this.#end(this.#start) + 1;
    this.#number += 1;
  }

  take(): string {
    const { next } = this;
    this.skip();
    return next;
  }

  fail(why: string, hint?: string): never {
    const line = this.#number;
    throw new Malformed(refusal('patch_invalid', `The diff cannot be read: line ${line}: ${why}.`, hint, { line }));
  }

  /** It can be read, and must not be. */
  refuse(why: string): never {
    const line = this.#number;
    const hint = 'A diff changes regular files; let a task make links and submodules. Nothing was changed.';
    throw new Malformed(refusal('patch_refused', `The diff is refused: line ${line}: ${why}.`, hint, { line }));
  }

  #end(from: number): number {
    const end = this.#text.indexOf('\n', from);
    return end < 0 ? this.#text.length : end;
  }
}
