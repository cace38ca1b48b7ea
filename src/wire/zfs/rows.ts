/** The columns that are no properties: whatever stands there is meant. */
type Plain = 'name' | 'property';

export type Row<Column extends string> = {
  readonly [C in Column]: C extends Plain ? string : string | undefined;
};

/**
 * Rows of `zfs list -Hp -o …`, `zfs get -Hp -o …` and `zpool list -Hp -o …`: fields between tabs, nothing escaped.
 *
 * A user property that somebody else wrote may hold newlines and tabs. Mostly that is refused here, but it can be made to look like
 * rows of its own: what an undo rests on (guid, createtxg) is to be asked for without user properties.
 *
 * @param columns as they were named after `-o`, in that order
 * @returns values as printed; undefined for `-`, by which ZFS says "not set" or "does not apply". A property set to nothing is ''.
 * @throws {TypeError} with the row, when it has more or fewer fields, or when the text ends in the middle of one
 */
export function readRows<const Column extends string>(text: string, columns: readonly Column[]): Row<Column>[] {
  if (text === '') return [];
  const lines = text.split('\n');
  const rest = lines.pop();
  if (rest !== '') throw new TypeError(`a row of zfs ends too early: ${JSON.stringify(rest)}`);
  return lines.map((line) => {
    const fields = line.split('\t');
    if (fields.length !== columns.length) {
      throw new TypeError(`not the ${columns.length} fields ${columns.join(', ')} of zfs: ${JSON.stringify(line)}`);
    }
    const values = columns.map((column, at) => [column, valueOf(column, fields[at] ?? '')]);
    return Object.fromEntries(values) as Row<Column>;
  });
}

function valueOf(column: string, field: string): string | undefined {
  return field === '-' && column !== 'name' && column !== 'property' ? undefined : field;
}
