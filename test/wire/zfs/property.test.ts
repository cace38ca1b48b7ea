import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { decodeProperty, encodeProperty } from '../../../src/wire/zfs/property.ts';

/** Any UTF-16 there is, also halves of pairs, and often what needs an escape. */
const anything = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    fc.constantFrom('\\', '-', ' ', '\n', '\t', '\u{7f}', 'n', 'u', '0', 'e', '🦉'),
  ),
  maxLength: 512,
});

describe('text in a user property', () => {
  test.each([
    ['upgrade postgres to 17', 'upgrade postgres to 17'],
    ['two\nlines\tand\ra tab', String.raw`two\nlines\tand\ra tab`],
    ['C:\\new', String.raw`C:\\new`],
    [
      'bell \u0007, escape \u001b, delete \u007f, C1 \u009b',
      String.raw`bell \u0007, escape \u001b, delete \u007f, C1 \u009b`,
    ],
    ['-', String.raw`\-`],
    ['\\-', String.raw`\\-`],
    ['--', '--'],
    ['constructor', 'constructor'],
    ['', String.raw`\e`],
    ['\\e', String.raw`\\e`],
    ['  blanks at both ends  ', '  blanks at both ends  '],
    ['Größe 🦉', 'Größe 🦉'],
    ['half \ud83d of a pair', String.raw`half \ud83d of a pair`],
  ])('%j is kept as %j', (text, value) => {
    expect(encodeProperty(text)).toBe(value);
    expect(decodeProperty(value)).toBe(text);
  });

  test('comes back as it was, from a value without anything that ZFS or a terminal minds', () => {
    fc.assert(
      fc.property(anything, (text) => {
        const value = encodeProperty(text);
        expect(decodeProperty(value)).toBe(text);
        expect(value).not.toMatch(/[\p{Cc}\p{Cs}]/u);
        expect(['', '-']).not.toContain(value);
        expect(Buffer.from(value).toString()).toBe(value);
        expect(Buffer.byteLength(value)).toBeLessThanOrEqual(3072);
      }),
    );
  });

  test.each([
    [String.raw`C:\users\x`, String.raw`C:\users\x`],
    [String.raw`\u12`, String.raw`\u12`],
    ['ends with \\', 'ends with \\'],
    [String.raw`\-x and \e`, String.raw`\-x and \e`],
    ['raw\nnewline', 'raw\nnewline'],
    [String.raw`\u00FC`, 'ü'],
    [String.raw`\N\T\Udead`, String.raw`\N\T\Udead`],
    ['valueOf', 'valueOf'],
  ])('somebody else wrote %j: %j', (value, text) => expect(decodeProperty(value)).toBe(text));
});
