import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { textOf } from '../../src/wire/path.ts';

const latin1 = (text: string) => Buffer.from(text).toString('latin1');

describe('a path as text', () => {
  test.each([
    ['', '.'],
    ['plain/path', 'plain/path'],
    ['back\\slash', 'back\\\\slash'],
    [latin1('ünïcode 🦉'), 'ünïcode 🦉'],
    ['new\nline', 'new\nline'],
    ['\xff\xfe', '\\xff\\xfe'],
    ['a\xc3(', 'a\\xc3('],
    // Overlong "/", a lone surrogate, beyond U+10FFFF: not UTF-8, though they look like it.
    ['\xc0\xaf', '\\xc0\\xaf'],
    ['\xed\xa0\x80', '\\xed\\xa0\\x80'],
    ['\xf4\x90\x80\x80', '\\xf4\\x90\\x80\\x80'],
    [latin1('\ufffd'), '\ufffd'],
  ])('%j is %j', (path, text) => expect(textOf(path)).toBe(text));

  test('tells any two paths apart', () => {
    const path = fc.uint8Array({ minLength: 1, maxLength: 8 }).map((array) => Buffer.from(array).toString('latin1'));
    fc.assert(
      fc.property(path, path, (a, b) => {
        expect(textOf(a) === textOf(b)).toBe(a === b);
      }),
    );
  });

  test('of valid UTF-8 is that text, but for backslashes', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (text) => {
        expect(textOf(latin1(text))).toBe(text.replaceAll('\\', '\\\\'));
      }),
    );
  });
});
