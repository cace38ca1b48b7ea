import { isatty } from 'node:tty';
import { cut, widthOf } from '../width.ts';

/** Of a terminal, as it is when it is asked; 0 where it does not tell. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Of one that does not tell, such as a serial line. */
const COLUMNS = 80;
const ROWS = 24;

/** Whether something can be drawn anew in place there: it is a terminal, and one that moves its cursor. */
export function isLive(descriptor: 1 | 2, env: NodeJS.ProcessEnv = process.env): boolean {
  return isatty(descriptor) && env['TERM'] !== 'dumb';
}

/**
 * Lines at the bottom of a terminal that are drawn again and again, below what scrolls by. The cursor stays visible and at their end, so
 * that a process that is killed leaves a terminal that can be used.
 */
export class Footer {
  readonly #write: (text: string) => void;
  readonly #size: Size;
  /** As they stand there. */
  #lines: readonly string[] = [];

  constructor(write: (text: string) => void, size: Size) {
    this.#write = write;
    this.#size = size;
  }

  /** These lines instead of those; what has no room is cut, and half of the terminal stays for what scrolls by. */
  draw(lines: readonly string[]): void {
    const shown = this.#fitting(lines);
    if (shown.join('\n') === this.#lines.join('\n')) return;
    this.#write(this.#erasing() + shown.join('\n'));
    this.#lines = shown;
  }

  /** Text that stays, above. */
  print(text: string): void {
    this.#write(`${this.#erasing()}${text}\n${this.#lines.join('\n')}`);
  }

  clear(): void {
    this.#write(this.#erasing());
    this.#lines = [];
  }

  #known(): Size {
    const { columns, rows } = this.#size;
    return { columns: columns > 0 ? columns : COLUMNS, rows: rows > 0 ? rows : ROWS };
  }

  #fitting(lines: readonly string[]): string[] {
    const { columns, rows } = this.#known();
    const most = Math.max(1, Math.floor(rows / 2));
    const left = lines.length - most;
    const kept = left > 0 ? [...lines.slice(0, most - 1), `… and ${left + 1} more`] : lines;
    // The last column is left free: some terminals begin another line when it is written to.
    return kept.map((line) => cut(line, columns - 1));
  }

  /** Back to where the lines begin, and nothing from there on. After the terminal became narrower they take more rows than before. */
  #erasing(): string {
    if (this.#lines.length === 0) return '';
    const { columns } = this.#known();
    const rows = this.#lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0);
    return `\r${rows > 1 ? `\u001b[${rows - 1}A` : ''}\u001b[J`;
  }
}
