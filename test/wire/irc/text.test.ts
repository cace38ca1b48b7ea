import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { bounded, bytesOf, split } from '../../../src/wire/irc/text.ts';
import { wildText } from './wild.ts';

describe('text that fits', () => {
  test('is left as it is', () => {
    expect(bounded('fits', 4)).toBe('fits');
    expect(split('fits', 4)).toEqual(['fits']);
    expect(split('', 4)).toEqual(['']);
  });

  test('is cut between characters, never in one', () => {
    expect(bounded('🦩🦩🦩', 11)).toBe('🦩🦩…');
    expect(split('🦩🦩🦩', 8)).toEqual(['🦩🦩', '🦩']);
  });

  test('is cut at a space where that leaves at least half a line', () => {
    expect(split('one two three', 9)).toEqual(['one two', 'three']);
    expect(split('a bcdefghijk', 8)).toEqual(['a bcdefg', 'hijk']);
  });

  test('keeps to its bounds, and loses nothing but spaces at the cuts', () => {
    fc.assert(
      fc.property(wildText(300), fc.integer({ min: 8, max: 60 }), (text, most) => {
        const pieces = split(text, most);
        expect(pieces.every((piece) => bytesOf(piece) <= most)).toBe(true);
        expect(pieces.join('').replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''));
        expect(bytesOf(bounded(text, most))).toBeLessThanOrEqual(most);
      }),
    );
  });
});
