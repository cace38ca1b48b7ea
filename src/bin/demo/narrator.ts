import { isatty } from 'node:tty';
import type { Paint } from '../colour.ts';
import { oneLine, printText } from '../output.ts';
import { cut, wrapped } from '../width.ts';
import { columnsOf } from '../table.ts';

const READING_MS = 900;
const WIDTH_MAX = 100;

/** What a promise of the story came to. */
export interface Check {
  readonly act: string;
  readonly promise: string;
  readonly kept: boolean;
}

/** Tells the story to people, and keeps what each promise came to. */
export class Narrator {
  readonly checks: Check[] = [];
  readonly #paint: Paint;
  readonly #silent: boolean;
  readonly #pause: (ms: number) => Promise<void>;
  #act = '';

  constructor(paint: Paint, silent: boolean, pause: (ms: number) => Promise<void>) {
    this.#paint = paint;
    this.#silent = silent;
    this.#pause = pause;
  }

  /** A new act; on a terminal there is time to read what it begins with. */
  async act(title: string, words: string): Promise<void> {
    this.#act = title;
    this.#print(`\n${this.#paint('bold', title)}`);
    await this.words(words);
  }

  async words(text: string): Promise<void> {
    this.#print(wrapped(text, this.#width()).join('\n'));
    if (!this.#silent && isatty(1)) await this.#pause(READING_MS);
  }

  /** What somebody would type. */
  command(line: string): void {
    this.#print(`\n  ${this.#paint('cyan', `$ ${line}`)}`);
  }

  /** What was printed for it. */
  output(text: string): void {
    for (const line of text.split('\n')) this.#print(`  ${line}`);
  }

  /** What everybody hears who listens. */
  heard(words: string): void {
    const line = `  │ ${oneLine(words)}`;
    this.#print(this.#paint('dim', isatty(1) ? cut(line, this.#width()) : line));
  }

  /** @throws Error when it was not kept: then the story is over */
  check(promise: string, kept: boolean): void {
    this.checks.push({ act: this.#act, promise, kept });
    this.#print(`  ${kept ? this.#paint('green', '✓') : this.#paint('red', '✗')} ${promise}`);
    if (!kept) throw new Error(`This did not hold: ${promise}.`);
  }

  #width(): number {
    return isatty(1) ? Math.min(WIDTH_MAX, columnsOf(process.stdout) - 1) : WIDTH_MAX;
  }

  #print(text: string): void {
    if (!this.#silent) printText(text === '' ? '\n' : text);
  }
}
