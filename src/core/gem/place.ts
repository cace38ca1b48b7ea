/*
 * Where a line of Markdown stands: as text of the document or of a list's item, in a quote, as indented code, or in a comment. Only what
 * stands as text can be a block. As CommonMark has it, as far as it matters for that.
 */

export type Place =
  /** @property text without the indentation of its list; `indent` what is left of it, 0 to 3 */
  | { readonly kind: 'text'; readonly text: string; readonly indent: number; readonly column: number }
  | { readonly kind: 'blank' | 'quote' | 'code' | 'comment' };

const ITEM = /^(?:[-+*]|\d{1,9}[.)])(?=[ \t]|$)/;
const TAB = 4;

/** Follows the lists and comments of a document, line by line. */
export class Places {
  /** The columns at which the items that are open have their text, the outermost first. */
  #items: number[] = [];
  /** What ends the comment that is open. */
  #closing: RegExp | undefined;

  look(line: string): Place {
    if (this.#closing !== undefined) return this.#inComment(line);
    let { column, at } = skipBlank(line, 0, 0);
    if (at === line.length) return { kind: 'blank' };
    this.#items = this.#items.filter((start) => start <= column);
    for (;;) {
      const base = this.#items.at(-1) ?? 0;
      if (column - base >= TAB) return { kind: 'code' };
      const item = ITEM.exec(line.slice(at, at + 11))?.[0];
      if (item === undefined) break;
      const next = skipBlank(line, at + item.length, column + item.length);
      // Five columns or more behind the bullet are one, and code.
      const start =
        next.at === line.length || next.column - column - item.length > TAB ? column + item.length + 1 : next.column;
      this.#items.push(start);
      if (next.at === line.length) return { kind: 'blank' };
      ({ column, at } = next);
    }
    const text = line.slice(at);
    if (text.startsWith('>')) return { kind: 'quote' };
    if (/^<(?:!--|(?:script|pre|style|textarea)(?:[\s>]|$))/i.test(text)) return this.#comment(text);
    const base = this.#items.at(-1) ?? 0;
    return { kind: 'text', text, indent: column - base, column: base };
  }

  /** Whether a line still belongs to the item in which something began that has its text at `column`. */
  static within(line: string, column: number): boolean {
    const start = skipBlank(line, 0, 0);
    return start.at === line.length || start.column >= column;
  }

  #comment(text: string): Place {
    this.#closing = text.startsWith('<!--') ? /-->/ : /<\/(?:script|pre|style|textarea)>/i;
    return this.#inComment(text);
  }

  #inComment(line: string): Place {
    if (this.#closing?.test(line)) this.#closing = undefined;
    return { kind: 'comment' };
  }
}

/** Takes as many columns of blanks off the front, and no more than there are. */
export function dedent(line: string, columns: number): string {
  let column = 0;
  for (let at = 0; at < line.length; at += 1) {
    if (column >= columns) return `${' '.repeat(column - columns)}${line.slice(at)}`;
    if (line[at] === ' ') column += 1;
    else if (line[at] === '\t') column += TAB - (column % TAB);
    else return line.slice(at);
  }
  return ' '.repeat(Math.max(0, column - columns));
}

function skipBlank(line: string, from: number, columnFrom: number): { at: number; column: number } {
  let [at, column] = [from, columnFrom];
  for (; at < line.length; at += 1) {
    if (line[at] === ' ') column += 1;
    else if (line[at] === '\t') column += TAB - (column % TAB);
    else break;
  }
  return { at, column };
}
