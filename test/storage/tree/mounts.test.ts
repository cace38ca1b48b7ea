import { expect, test } from 'vitest';

import { mountOf, mountsInside, namesOf } from '../../../src/storage/tree/mounts.ts';
import { deviceOf, parseMountInfo } from '../../../src/wire/mountinfo.ts';

const TABLE = parseMountInfo(`22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /proc rw,nosuid - proc proc rw
41 22 0:31 /@data /srv ro,noatime shared:2 master:1 - btrfs /dev/vdb rw,subvol=/@data
42 41 0:32 / /srv/with\\040blank\\134and\\012line rw - tmpfs tmpfs rw
43 22 254:0 /other /srv/b\xc3\xa4r rw - ext4 /dev/vda rw
44 22 0:40 / /srvx rw - tmpfs tmpfs rw
`);

test('the mount table is read, escapes and all', () => {
  expect(TABLE[2]).toEqual({
    path: '/srv',
    root: '/@data',
    device: '0:31',
    fsType: 'btrfs',
    source: '/dev/vdb',
    readOnly: true,
  });
  expect(TABLE[3]?.path).toBe('/srv/with blank\\and\nline');
});

test.each([
  ['/', 'ext4'],
  ['/proc/1', 'proc'],
  ['/srv', 'btrfs'],
  ['/srv/a/b', 'btrfs'],
  ['/srvx/a', 'tmpfs'],
  ['/srvy', 'ext4'],
  ['/srv/bär/x', 'ext4'],
])('%s lies on %s', (path, fsType) => expect(mountOf(path, TABLE)?.fsType).toBe(fsType));

test('mounts inside a directory, relative to it', () => {
  expect(mountsInside('/srv', TABLE)).toEqual(['with blank\\and\nline', 'b\xc3\xa4r']);
  expect(mountsInside('/', TABLE)).toContain('srvx');
  expect(mountsInside('/srvx', TABLE)).toEqual([]);
});

test('a device by its number, as stat has it', () => {
  // Minor numbers above 255 go on behind the major one.
  expect(deviceOf(0xfd01)).toBe('253:1');
  expect(deviceOf((0x34 & 0xff) | (8 << 8) | (0x1200 << 12))).toBe('8:4660');
});

test.each([
  ['/srv/a', ['/srv/a']],
  ['/other/x', ['/other/x', '/srv/bär/x']],
  ['/srv/bär/x', ['/other/x', '/srv/bär/x']],
  ['/srv/bär', ['/other', '/srv/bär']],
  ['/otherwise', ['/otherwise']],
  ['/', ['/']],
])('what lies at %s is found at %j', (path, names) => expect(namesOf(path, TABLE)).toEqual(names));

test('of a subvolume that is mounted twice; not where it can only be read', () => {
  const table = parseMountInfo(`22 1 254:0 / / rw - ext4 /dev/vda rw
41 22 0:31 /@data /data rw - btrfs /dev/vdb rw
42 22 0:31 / /top rw - btrfs /dev/vdb rw
43 22 0:31 / /look ro - btrfs /dev/vdb rw
`);
  expect(namesOf('/top/@data/a', table)).toEqual(['/data/a', '/top/@data/a']);
  expect(namesOf('/top/@srv', table)).toEqual(['/top/@srv']);
  expect(namesOf('/look/@data', table)).toEqual(['/data', '/top/@data', '/look/@data']);
});
