import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { parseMountInfo } from '../../../src/wire/mountinfo.ts';
import { mountsOnNothing, mountsWithoutPlace } from '../../../src/storage/zfs/mounted.ts';
import { temporaryFolder } from '../real/ground.ts';

const TABLE = parseMountInfo(
  ['tree', 'tree/a', 'tree/a/b', 'tree/.zfs/snapshot/s', 'tree/new', 'tree/new/b', 'other']
    .map((name, index) => `${index + 30} 25 0:${index + 40} / /tank/${name} rw shared:1 - zfs tank/${name} rw\n`)
    .join(''),
);

test('a mount has its place in the file system it lies in, not in the ones around that', async () => {
  const frozen = temporaryFolder();
  mkdirSync(join(frozen.path, 'a'));
  const open = () => Promise.resolve(frozen.path);
  expect(await mountsWithoutPlace('/tank/tree', TABLE, open)).toEqual(['/tank/tree/new']);
  expect(await mountsWithoutPlace('/tank/tree/a', TABLE, open)).toEqual(['/tank/tree/a/b']);
  expect(await mountsWithoutPlace('/tank/other', TABLE, () => Promise.reject(new Error('no reason')))).toEqual([]);
  frozen.remove();
});

test('a mount covers nothing of a snapshot in which its place is an empty directory', async () => {
  const frozen = temporaryFolder();
  mkdirSync(join(frozen.path, 'a'));
  mkdirSync(join(frozen.path, 'new'));
  expect(await mountsOnNothing('/tank/tree', TABLE, frozen.path)).toEqual(['a', 'new']);
  writeFileSync(join(frozen.path, 'new', 'file'), '');
  expect(await mountsOnNothing('/tank/tree', TABLE, frozen.path)).toEqual(['a']);
  writeFileSync(join(frozen.path, 'b'), '');
  expect(await mountsOnNothing('/tank/tree/a', TABLE, frozen.path)).toEqual([]);
  frozen.remove();
});
