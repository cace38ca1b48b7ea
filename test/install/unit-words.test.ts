import { describe, expect, test } from 'vitest';

import { inUnit } from '../../src/install/unit-words.ts';

describe('a word in a unit file', () => {
  test.each([
    ['/usr/bin/node', '/usr/bin/node'],
    ['two words', '"two words"'],
    ['100%', '100%%'],
    ['$HOME', '$$HOME'],
    ['a"b\\c d', '"a\\"b\\\\c d"'],
    ['', '""'],
    ['grüße 🐟', '"grüße 🐟"'],
  ])('%j is %j', (word, written) => expect(inUnit(word)).toBe(written));

  test('with a newline cannot be written', () => {
    expect(() => inUnit('a\nExecStart=/bin/evil')).toThrow(/cannot stand in a unit/);
  });
});
