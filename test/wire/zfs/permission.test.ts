import { describe, expect, test } from 'vitest';

import { missing, permissionsOf } from '../../../src/wire/zfs/permission.ts';

// Printed by OpenZFS 2.1.11 for tank/parse/al/k; what the kernel then let people do was tried.
const TEXT = `---- Permissions on tank/parse/al/k ----------------------------------
Permission sets:
	@deep @base
	@snap rollback
Local+Descendent permissions:
	user parse compression
	user parse2 @deep,@snap
	user we.ird-n_ send
	group pgrp @nowhere
---- Permissions on tank/parse/al ------------------------------------
Permission sets:
	@all @snap,destroy,mount
	@base bookmark
	@snap hold,release,snapshot
Create time permissions:
	destroy,mount
Local permissions:
	user parse2 promote,userprop
	everyone receive
Descendent permissions:
	user parse diff
	group pgrp quota
	everyone clone
Local+Descendent permissions:
	user parse @all
	user parse2 create,mount
	user (unknown: 4242) promote
	group pgrp readonly
	group (unknown: 4343) share
	everyone send
`;

function may(dataset: string, user: string, ...groups: string[]): string[] {
  return [...permissionsOf(TEXT, { dataset, user, groups })].toSorted();
}

describe('effective permissions', () => {
  const K = 'tank/parse/al/k';
  const EVERYONE = ['clone', 'send'];

  test('are those for the user, the groups and everyone, here and from above', () => {
    expect(may(K, 'parse', 'pgrp')).toEqual(
      [
        ...EVERYONE,
        'compression',
        'destroy',
        'diff',
        'hold',
        'mount',
        'quota',
        'readonly',
        'release',
        'snapshot',
      ].toSorted(),
    );
    expect(may(K, 'nobody')).toEqual(EVERYONE);
    expect(may(K, 'nobody', '4343')).toEqual([...EVERYONE, 'share']);
    expect(may(K, '4242')).toEqual(['clone', 'promote', 'send']);
    expect(may(K, 'we.ird-n_')).toEqual(EVERYONE);
  });

  test('a set means what its nearest definition says, upwards from where it was given', () => {
    // @snap of k is rollback only; @deep is defined in k with @base, which only the parent knows.
    expect(may(K, 'parse2')).toEqual(['bookmark', 'clone', 'create', 'mount', 'rollback', 'send']);
    // @all was given above, where @snap is something else: no rollback.
    expect(may(K, 'parse')).not.toContain('rollback');
  });

  test('what is only local counts on the dataset itself, what is for descendents only below', () => {
    const above = TEXT.slice(TEXT.indexOf('---- Permissions on tank/parse/al -'));
    const there = permissionsOf(above, { dataset: 'tank/parse/al', user: 'parse2', groups: [] });
    expect([...there].toSorted()).toEqual(['create', 'mount', 'promote', 'receive', 'send', 'userprop']);
    // The first block need not be the dataset's own: nothing is delegated on tank/parse/al/k/l itself.
    expect(may('tank/parse/al/k/l', 'parse2')).toEqual(['bookmark', 'clone', 'create', 'mount', 'rollback', 'send']);
  });

  test('there may be none', () => {
    expect(permissionsOf('', { dataset: K, user: 'parse', groups: ['pgrp'] }).size).toBe(0);
  });

  test.each(['tank/parse/al/with blank -', `tank/parse/al/${'n'.repeat(60)}`])('on a dataset called %s', (dataset) => {
    const head = `---- Permissions on ${dataset} `.padEnd(70, '-');
    const text = `${head}\nLocal permissions:\n\tuser root destroy,mount\n`;
    expect([...permissionsOf(text, { dataset, user: 'root', groups: [] })]).toEqual(['destroy', 'mount']);
  });
});

test('what is missing is said in the order wanted', () => {
  expect(missing(new Set(['mount', 'snapshot']), ['snapshot', 'rollback', 'mount', 'diff'])).toEqual([
    'rollback',
    'diff',
  ]);
});
