import { describe, expect, test } from 'vitest';

import { painted, plain } from '../../src/bin/colour.ts';
import { table } from '../../src/bin/table.ts';
import { widthOf } from '../../src/bin/width.ts';

const HEAD = ['NODE', 'OUTCOME', 'MUTATION', 'INTENT'];
const ROWS = [
  ['web1', 'committed', '01900000-0000-7000-8000-000000000000', 'bump the schema of the customers to version 43'],
  ['日本', 'rolled_back', '01900000-0000-7000-8000-000000000001', 'two\nlines'],
];

describe('a table', () => {
  test('in a pipe has every letter, aligned, without colours', () => {
    expect(table(HEAD, ROWS, { paint: plain, width: undefined })).toBe(
      [
        'NODE  OUTCOME      MUTATION                              INTENT',
        'web1  committed    01900000-0000-7000-8000-000000000000  bump the schema of the customers to version 43',
        '日本  rolled_back  01900000-0000-7000-8000-000000000001  two\\nlines',
      ].join('\n'),
    );
  });

  test('that is too wide for the terminal has its prose cut, and nothing else', () => {
    const shown = table(HEAD, ROWS, { paint: plain, width: 80 });
    expect(shown.split('\n').map(widthOf)).toEqual([63, 80, 67]);
    expect(shown).toContain('01900000-0000-7000-8000-000000000000  bump the schema of the…'.slice(0, 58));
    expect(shown).toContain('…');
  });

  test('that cannot be cut enough is shown a row a block, whole', () => {
    const shown = table(HEAD, ROWS, { paint: plain, width: 60 });
    expect(shown.split('\n\n')[0]).toBe(
      [
        'NODE      web1',
        'OUTCOME   committed',
        'MUTATION  01900000-0000-7000-8000-000000000000',
        'INTENT    bump the schema of the customers to version 43',
      ].join('\n'),
    );
  });

  test('in colour takes the same room, and says how things stand', () => {
    const shown = table(HEAD, ROWS, { paint: painted, width: 120 });
    expect(shown.split('\n').map(widthOf)).toEqual([63, 103, 67]);
    expect(shown).toContain(painted('green', 'committed'));
    expect(shown).toContain(painted('yellow', 'rolled_back'));
    expect(shown).not.toContain(painted('green', 'web1'));
  });

  test('shows what would draw on the terminal instead of obeying it', () => {
    expect(table(['A'], [['\u001b[31mred']], { paint: painted, width: 80 })).toContain('\\u001b[31mred');
  });
});
