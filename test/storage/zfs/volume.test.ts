import { fstatSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import type { Syscalls } from '../../../src/storage/tree/syscalls.ts';
import { deviceOf, settle } from '../../../src/storage/zfs/volume.ts';
import { temporaryFolder } from '../real/ground.ts';

/** A folder of links as udev makes it, to files in the place of devices. @returns what `settle` writes out there */
function devices(...links: readonly string[]) {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const names = new Map<number, string>();
  for (const [index, link] of links.entries()) {
    const [device, place] = [join(folder.path, `zd${index}`), join(folder.path, 'zvol', link)];
    writeFileSync(device, '');
    names.set(statSync(device).ino, link);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(device, place);
  }
  return async (dataset: string, recursive = false): Promise<string[]> => {
    const drained: string[] = [];
    const drain = (fd: number) => Promise.resolve(void drained.push(names.get(fstatSync(fd).ino) ?? 'none'));
    const sys = () => Promise.resolve({ drain } as unknown as Syscalls);
    expect(await settle(dataset, sys, { recursive, folder: join(folder.path, 'zvol') })).toBeUndefined();
    return drained.toSorted();
  };
}

test('a volume is written out with its partitions, and without its neighbours', async () => {
  const settled = devices('tank/vm', 'tank/vm-part1', 'tank/vm-part12', 'tank/vm2', 'tank/vm-part1x', 'tank/in/vm');
  expect(await settled('tank/vm')).toEqual(['tank/vm', 'tank/vm-part1', 'tank/vm-part12']);
});

test('so is one that is named like a partition', async () => {
  const settled = devices('tank/vm-part1', 'tank/vm-part1-part2', 'tank/vm');
  expect(await settled('tank/vm-part1')).toEqual(['tank/vm-part1', 'tank/vm-part1-part2']);
});

test('a blank in a name is a plus in its link', async () => {
  const settled = devices('tank/my+disks/a+b', 'tank/my+disks/a+b-part1');
  expect(await settled('tank/my disks/a b')).toEqual(['tank/my+disks/a+b', 'tank/my+disks/a+b-part1']);
  expect(await settled('tank/my disks', true)).toEqual(['tank/my+disks/a+b', 'tank/my+disks/a+b-part1']);
  expect(deviceOf('tank/my disks/a b')).toBe('/dev/zvol/tank/my+disks/a+b');
});
