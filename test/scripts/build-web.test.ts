import { randomBytes } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { PAGE_BYTES_MAX, tooLarge } from '../../scripts/build-web.mjs';

describe('the size of the page', () => {
  it('counts what is sent, gzipped', () => {
    expect(tooLarge([{ name: 'index.html', content: 'a'.repeat(10 * PAGE_BYTES_MAX) }])).toBeUndefined();
  });

  it('counts all files together, and names them when they are too much', () => {
    // Random bytes cannot be compressed.
    const half = randomBytes(PAGE_BYTES_MAX / 2);
    expect(tooLarge([{ name: 'a.js', content: half }])).toBeUndefined();
    expect(
      tooLarge([
        { name: 'a.js', content: half },
        { name: 'b.css', content: half },
      ]),
    ).toMatch(/and may be 80000: a\.js \d+, b\.css \d+/);
  });
});
