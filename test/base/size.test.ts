import { expect, test } from 'vitest';

import { size } from '../../src/base/size.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_000, '1.0 KB'],
  [9_950, '10 KB'],
  [999_600, '1.0 MB'],
  [1_230_000_000, '1.2 GB'],
  [5e16, '50000 TB'],
])('%d bytes are %s', (bytes, words) => {
  expect(size(bytes)).toBe(words);
});
