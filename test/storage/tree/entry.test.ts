import { expect, test } from 'vitest';

import { bytesOf, depthOf, nameOf, parentOf } from '../../../src/storage/tree/entry.ts';

test('a path keeps its bytes, and knows its place', () => {
  expect(bytesOf('\xff/a')).toEqual(Buffer.from([0xff, 0x2f, 0x61]));
  expect(['', 'a', 'a/b', 'a/b/c'].map((path) => [parentOf(path), nameOf(path), depthOf(path)])).toEqual([
    ['', '', 0],
    ['', 'a', 1],
    ['a', 'b', 2],
    ['a/b', 'c', 3],
  ]);
});
