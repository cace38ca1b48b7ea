import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { type Branch, treeOf } from '../../../web/mutation/tree.ts';

describe('a tree of what changed', () => {
  test('joins folders that hold only one another, folders first', () => {
    const tree = treeOf({
      added: ['etc/nginx/conf/b', 'z'],
      modified: ['etc/nginx/conf/a', 'etc/nginx/conf/deep/er/c'],
      removed: ['a'],
    });
    expect(shape(tree)).toEqual(['etc/nginx/conf/ 3', '  deep/er/ 1', '    M c', '  M a', '  + b', '- a', '+ z']);
  });

  test('shows a folder that changed itself, with what is in it', () => {
    expect(shape(treeOf({ added: ['made', 'made/in'], modified: ['.'], removed: [] }))).toEqual([
      '+ made/ 2',
      '  + in',
      'M .',
    ]);
  });

  test('a folder is not joined with the only file in it', () => {
    expect(shape(treeOf({ added: [], modified: ['app/release'], removed: [] }))).toEqual(['app/ 1', '  M release']);
  });

  test('loses no path and invents none', () => {
    const path = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 5 })
      .map((parts) => parts.join('/'));
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 30 }), (paths) => {
        const tree = treeOf({ added: paths, modified: [], removed: [] });
        expect(changedPaths(tree).toSorted()).toEqual(paths.toSorted());
        expect(tree.reduce((sum, { changed }) => sum + changed, 0)).toBe(paths.length);
      }),
    );
  });
});

const SIGNS = { added: '+ ', modified: 'M ', removed: '- ' };

function shape(branches: readonly Branch[], indent = ''): string[] {
  return branches.flatMap(({ name, change, branches: below, changed }) => [
    `${indent}${change === undefined ? '' : SIGNS[change]}${name}${below.length === 0 ? '' : `/ ${changed}`}`,
    ...shape(below, `${indent}  `),
  ]);
}

function changedPaths(branches: readonly Branch[]): string[] {
  return branches.flatMap(({ path, change, branches: below }) => [
    ...(change === undefined ? [] : [path]),
    ...changedPaths(below),
  ]);
}
