import fc from 'fast-check';
import { expect, test } from 'vitest';

import { type Entry, parentOf } from '../../../src/storage/tree/entry.ts';
import { partsOf } from '../../../src/storage/tree/parts.ts';

function treeOf(paths: readonly string[]): Map<string, Entry> {
  const all = new Set(['']);
  for (const path of paths) for (let at = path; at !== ''; at = parentOf(at)) all.add(at);
  const isFolder = (path: string) => path === '' || [...all].some((other) => other.startsWith(`${path}/`));
  return new Map(
    [...all].map((path, index) => [
      path,
      { path, type: isFolder(path) ? 'd' : 'f', nlink: 1, dev: '1', ino: String(index) } as Entry,
    ]),
  );
}

test('every entry is in the frame or in exactly one part, whatever the tree', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const path = fc.array(name, { minLength: 1, maxLength: 6 }).map((names) => names.join('/'));
  fc.assert(
    fc.property(fc.array(path, { maxLength: 40 }), (paths) => {
      const entries = treeOf(paths);
      const parts = partsOf(entries);
      const framed = new Set(parts?.frame.map((entry) => entry.path));
      for (const one of entries.keys()) {
        const around = parts?.paths.filter((part) => one === part || one.startsWith(`${part}/`)) ?? [];
        expect(around.length + (framed.has(one) ? 1 : 0)).toBe(1);
      }
      for (const part of parts?.paths ?? []) expect(framed.has(parentOf(part))).toBe(true);
    }),
  );
});

test('one large directory deep down is cut open', () => {
  const entries = treeOf(Array.from({ length: 1000 }, (_, index) => `app/data/d${index % 10}/f${index}`));
  const parts = partsOf(entries);
  expect(parts?.frame.map(({ path }) => path)).toEqual([
    '',
    'app',
    'app/data',
    'app/data/d0',
    'app/data/d1',
    ...Array.from({ length: 8 }, (_, index) => `app/data/d${index + 2}`),
  ]);
});

test('names of one file stay together, or nothing is cut', () => {
  const linked = (path: string): Entry => ({ path, type: 'f', nlink: 2, dev: '1', ino: '99' }) as Entry;
  const entries = treeOf(['x/a', 'x/b', 'y']);
  for (const path of ['x/a', 'x/b']) entries.set(path, linked(path));
  expect(partsOf(entries)?.paths.toSorted()).toEqual(['x', 'y']);
  for (const path of ['x/a', 'y']) entries.set(path, linked(path));
  entries.delete('x/b');
  expect(partsOf(entries)).toBeUndefined();
});
