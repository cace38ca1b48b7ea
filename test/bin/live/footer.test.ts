import { describe, expect, test } from 'vitest';

import { Footer } from '../../../src/bin/live/footer.ts';

/** As much of a terminal as a footer uses: wraps long lines, moves up, and erases to its end. */
function terminal(columns: number, rows = 20) {
  const size = { columns, rows };
  let lines: string[] = [''];
  let [row, column] = [0, 0];
  const write = (text: string): void => {
    // oxlint-disable-next-line no-control-regex -- they are what it is about
    for (const [piece, up, control] of text.matchAll(/\u001b\[(?:(\d+)A|(J))|[^]/gu)) {
      if (up !== undefined) row -= Number(up);
      else if (control !== undefined) lines = [...lines.slice(0, row), (lines[row] ?? '').slice(0, column)];
      else if (piece === '\r') column = 0;
      else if (piece === '\n') [row, column] = [row + 1, 0];
      else {
        if (column === size.columns) [row, column] = [row + 1, 0];
        lines[row] = (lines[row] ?? '').slice(0, column) + piece;
        column += 1;
      }
    }
  };
  return { write, size, shown: () => lines.join('\n') };
}

describe('a footer', () => {
  test('stays below what scrolls by, and is drawn anew in place', () => {
    const { write, size, shown } = terminal(20);
    const footer = new Footer(write, size);
    footer.draw(['one', 'two']);
    footer.print('first');
    footer.draw(['three']);
    footer.print('second');
    expect(shown()).toBe('first\nsecond\nthree');
    footer.draw(['four', 'five', 'six']);
    expect(shown()).toBe('first\nsecond\nfour\nfive\nsix');
    footer.clear();
    footer.print('third');
    expect(shown()).toBe('first\nsecond\nthird');
  });

  test('writes nothing when nothing has changed', () => {
    const said: string[] = [];
    const footer = new Footer((text) => void said.push(text), { columns: 80, rows: 24 });
    footer.draw(['one']);
    footer.draw(['one']);
    expect(said).toEqual(['one']);
  });

  test('has lines no longer than the terminal, and no more than half of it', () => {
    const { write, size, shown } = terminal(10, 6);
    const footer = new Footer(write, size);
    footer.draw(['a'.repeat(40), 'b', 'c', 'd', 'e']);
    expect(shown()).toBe(`${'a'.repeat(8)}…\nb\n… and 3 …`);
  });

  test('is shown on a terminal that does not tell its size', () => {
    const said: string[] = [];
    new Footer((text) => void said.push(text), { columns: 0, rows: 0 }).draw(['one', 'two']);
    expect(said).toEqual(['one\ntwo']);
  });

  test('is erased whole after what it printed above was wrapped', () => {
    const { write, size, shown } = terminal(10);
    const footer = new Footer(write, size);
    footer.draw(['one', 'two']);
    footer.print('x'.repeat(25));
    footer.draw(['three']);
    expect(shown()).toBe(`${'x'.repeat(10)}\n${'x'.repeat(10)}\n${'x'.repeat(5)}\nthree`);
  });
});
