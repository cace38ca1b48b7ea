import { expect, test } from 'vitest';

import { painted } from '../../src/bin/colour.ts';
import { cut, padded, widthOf, wrapped } from '../../src/bin/width.ts';

test.each([
  ['plain', 5],
  ['', 0],
  ['ü', 1],
  ['u\u0308', 1],
  ['日本', 4],
  ['🛠️ ok', 4],
  ['🚀', 2],
  [painted('red', 'abc'), 3],
])('%j takes %d columns', (text, width) => {
  expect(widthOf(text)).toBe(width);
});

test.each([
  ['abcdef', 6, 'abcdef'],
  ['abcdef', 4, 'abc…'],
  ['abcdef', 1, '…'],
  ['abcdef', 0, ''],
  ['日本語', 4, '日…'],
  [painted('red', 'abcdef'), 4, '\u001b[31mabc…\u001b[0m'],
])('%j cut to %d columns is %j', (text, width, shown) => {
  expect(cut(text, width)).toBe(shown);
});

test('padding counts columns, not characters', () => {
  expect(padded('日本', 6)).toBe('日本  ');
  expect(padded('longer', 3)).toBe('longer');
});

test('lines are broken between words, and a long word stays whole', () => {
  expect(wrapped('one two three', 7)).toEqual(['one two', 'three']);
  expect(wrapped('a extraordinarily b', 5)).toEqual(['a', 'extraordinarily', 'b']);
  expect(wrapped('', 5)).toEqual(['']);
});
