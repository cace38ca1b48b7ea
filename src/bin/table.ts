import { isatty } from 'node:tty';
import { oneLine } from '../wire/one-line.ts';
import { type Paint, paintFor, type Style, styleOfStage } from './colour.ts';
import { cut, padded, widthOf } from './width.ts';

/** Where a table is shown. */
export interface Sheet {
  readonly paint: Paint;
  /** Columns of the terminal; undefined: no terminal, and nothing is cut. */
  readonly width: number | undefined;
}

const GAP = '  ';
/** Columns that say how something stands. */
const STAGES: ReadonlySet<string> = new Set(['OUTCOME', 'STAGE', 'STATE', 'HEARD']);
/** Prose: can be cut and still be understood. Names, paths and ids cannot: people copy them. */
const PROSE: ReadonlySet<string> = new Set(['INTENT', 'WHY', 'MAY', 'WHAT BECAME OF IT', 'WHAT IT MEANS']);
const PROSE_MIN = 16;

/** Of stdout, as it is now. */
export function sheetOfStdout(): Sheet {
  return { paint: paintFor(1), width: isatty(1) ? columnsOf(process.stdout) : undefined };
}

/** @returns columns of a terminal; 80 where it does not tell */
export function columnsOf(stream: NodeJS.WriteStream): number {
  return stream.columns > 0 ? stream.columns : 80;
}

/**
 * Columns, aligned; the last one as long as it is. On a terminal that is too narrow prose is cut, and where that is not enough each row is
 * shown as a block of its own, one line a field, so that nothing is broken in the middle.
 *
 * @param head names of the columns, in capitals
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { paint, width }: Sheet = sheetOfStdout(),
): string {
  const clean = rows.map((row) => row.map(oneLine));
  const widths = head.map((name, column) => Math.max(...[name, ...clean.map((row) => row[column] ?? '')].map(widthOf)));
  const fitting = width === undefined ? widths : fitted(head, widths, width);
  if (fitting === undefined) return blocks(head, clean, paint);
  const line = (row: readonly string[], style: (cell: string, column: number) => string): string =>
    row
      .map((cell, column) => {
        const room = fitting[column] ?? 0;
        const shown = width === undefined ? cell : cut(cell, room);
        // Painted last: the room that is left has no colour.
        return style(shown, column) + (column === row.length - 1 ? '' : padded('', room - widthOf(shown)));
      })
      .join(GAP)
      .trimEnd();
  return [
    line(head, (cell) => paint('bold', cell)),
    ...clean.map((row) => line(row, (cell, column) => paint(styleOf(head[column], cell), cell))),
  ].join('\n');
}

function styleOf(name: string | undefined, cell: string): Style | undefined {
  return name !== undefined && STAGES.has(name) ? styleOfStage(cell) : undefined;
}

/** @returns the columns' widths when what can be cut is cut as little as needed; undefined when that is not enough */
function fitted(head: readonly string[], widths: readonly number[], room: number): number[] | undefined {
  const left = widths.slice();
  const total = (): number => left.reduce((sum, width) => sum + width, GAP.length * (left.length - 1));
  const shrinkable = head.flatMap((name, column) => (PROSE.has(name) ? [column] : []));
  while (total() > room) {
    // The longest first, and no further than the next one, so that two of them end up alike.
    const column = shrinkable.toSorted((a, b) => (left[b] ?? 0) - (left[a] ?? 0))[0];
    if (column === undefined || (left[column] ?? 0) <= PROSE_MIN) return undefined;
    left[column] = (left[column] ?? 0) - 1;
  }
  return left;
}

function blocks(head: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string {
  const label = Math.max(...head.map(widthOf));
  return rows
    .map((row) =>
      head
        .map((name, column) => {
          const cell = row[column] ?? '';
          return `${paint('bold', padded(name, label))}${GAP}${paint(styleOf(name, cell), cell)}`.trimEnd();
        })
        .join('\n'),
    )
    .join('\n\n');
}
