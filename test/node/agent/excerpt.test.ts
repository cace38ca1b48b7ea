import fc from 'fast-check';
import { expect, test } from 'vitest';

import { Excerpt } from '../../../src/node/agent/excerpt.ts';

test('beginning and end are kept, whatever the pieces', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 12 })),
      fc.integer({ min: 1, max: 10 }),
      (pieces, max) => {
        const excerpt = new Excerpt(max);
        for (const piece of pieces) excerpt.write(piece);
        const whole = pieces.join('');
        const leftOut = Math.max(whole.length - 2 * max, 0);
        const cut = `${whole.slice(0, max)}\n… ${leftOut} bytes left out …\n${whole.slice(-max)}`;
        expect(excerpt.said).toEqual({ text: leftOut === 0 ? whole : cut, leftOut });
      },
    ),
  );
});
