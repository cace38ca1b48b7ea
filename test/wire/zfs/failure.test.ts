import { describe, expect, test } from 'vitest';

import { type FailureKind, ofErrno, readFailure } from '../../../src/wire/zfs/failure.ts';

const USAGE =
  '\nusage:\n\tsnapshot [-r] [-o property=value] ... <filesystem|volume>@<snap> ...\n\nFor the property list, run: zfs set|get\n';

// Printed by OpenZFS 2.1.11, some names shortened; the last five were not provoked: they are words of its source and of older versions.
const SAID: [FailureKind, string, string[]][] = [
  ['missing', "cannot open 'tank/parse/f@nope': dataset does not exist\n", ['tank/parse/f@nope']],
  ['missing', `cannot open 'tank/nope': dataset does not exist${USAGE}`, ['tank/nope']],
  ['missing', 'could not find any snapshots to destroy; check snapshot names.\n', []],
  ['missing', "cannot hold snapshot 'tank/parse/f@nope': dataset does not exist\n", ['tank/parse/f@nope']],
  ['missing', "cannot release hold from snapshot 'tank/f@r': no such tag on this dataset\n", ['tank/f@r']],
  ['missing', "cannot create 'tank/nope/c2': parent does not exist\n", ['tank/nope/c2']],
  ['missing', "bookmark 'tank/parse/f#nope' does not exist.\n", ['tank/parse/f#nope']],
  ['missing', 'Unable to obtain diffs: No such file or directory\n', []],
  [
    'missing',
    "cannot open 'tank/parse/nope': dataset does not exist\nNot an earlier snapshot from the same fs: invalid name\n",
    ['tank/parse/nope'],
  ],
  [
    'missing',
    "Channel program execution failed:\n[string \"channel program\"]:1: bad argument #1 to 'get_prop' (no such dataset 'tank/nope')\nstack traceback:\n\t[C]: in function 'get_prop'\n\t[string \"channel program\"]:1: in main chunk\n",
    ['tank/nope'],
  ],
  ['exists', "cannot create snapshot 'tank/parse/f@p': dataset already exists\n", ['tank/parse/f@p']],
  [
    'exists',
    "cannot create snapshot 'tank/f@p': dataset already exists\ncannot create snapshot 'tank/g@a': dataset already exists\nno snapshots were created\n",
    ['tank/f@p', 'tank/g@a'],
  ],
  ['exists', "cannot hold snapshot 'tank/parse/f@r': tag already exists on this dataset\n", ['tank/parse/f@r']],
  ['busy', "cannot unmount '/tank/parse/f/child': pool or dataset is busy\n", ['/tank/parse/f/child']],
  ['held', 'cannot destroy snapshot tank/parse/f@r: dataset is busy\n', ['tank/parse/f@r']],
  ['held', "cannot destroy 'tank/parse/f@r': dataset is busy\n", ['tank/parse/f@r']],
  [
    'newer',
    "cannot rollback to 'tank/parse/f@p': more recent snapshots or bookmarks exist\nuse '-r' to force deletion of the following snapshots and bookmarks:\ntank/parse/f@r\ntank/parse/f@b d\ntank/parse/f@q\ntank/parse/f#bk\n",
    ['tank/parse/f@r', 'tank/parse/f@b d', 'tank/parse/f@q', 'tank/parse/f#bk'],
  ],
  [
    'clones',
    "cannot destroy 'tank/parse/f@q': snapshot has dependent clones\nuse '-R' to destroy the following datasets:\ntank/parse/fclone\n",
    ['tank/parse/fclone'],
  ],
  [
    'clones',
    "cannot rollback to 'tank/parse/f@p': clones of previous snapshots exist\nuse '-R' to force deletion of the following clones and dependents:\ntank/parse/fclone\n",
    ['tank/parse/fclone'],
  ],
  [
    'other',
    "cannot destroy 'tank/parse/f': filesystem has children\nuse '-r' to destroy the following datasets:\ntank/parse/f/child\ntank/parse/f@r\n",
    ['tank/parse/f/child', 'tank/parse/f@r'],
  ],
  ['permission', 'Permission denied the ZFS utilities must be run as root.\n', []],
  ['permission', 'cannot create snapshots : permission denied\nno snapshots were created\n', []],
  ['permission', 'cannot destroy snapshots: permission denied\n', []],
  ['permission', 'cannot hold: permission denied\n', []],
  ['permission', "cannot rollback 'tank/parse/al/k': permission denied\n", ['tank/parse/al/k']],
  [
    'permission',
    'The diff delegated permission is needed in order\nto create a just-in-time snapshot for diffing\n: unable to generate diffs\n',
    [],
  ],
  [
    'permission',
    'Unable to obtain diffs: \n   The sys_mount privilege or diff delegated permission is needed\n   to execute the diff ioctl\n',
    [],
  ],
  [
    'permission',
    "cannot mount 'tank/parse/g': Insufficient privileges\nproperty may be set but unable to remount filesystem\n",
    ['tank/parse/g'],
  ],
  ['permission', 'filesystem successfully created, but it may only be mounted by root\n', []],
  ['permission', 'Channel program execution failed:\nPermission denied. Channel programs must be run as root.\n', []],
  ['space', "cannot create snapshot 'tank/parse/sp/r@s': out of space\n", ['tank/parse/sp/r@s']],
  ['space', "cannot set property for 'tank/q': size is greater than available space\n", ['tank/q']],
  ['pool_gone', "cannot open 'nopool': no such pool\n", ['nopool']],
  ['pool_gone', "cannot create 'nopool/c2': no such pool 'nopool'\n", ['nopool/c2']],
  ['pool_gone', "cannot open 'nopool': no such pool\ncannot open pool 'nopool'\n", ['nopool']],
  ['not_mounted', 'Cannot diff an unmounted snapshot: operation not applicable to datasets of this type\n', []],
  ['not_mounted', "cannot unmount 'tank/parse/f/child': not currently mounted\n", ['tank/parse/f/child']],
  ['not_mounted', "cannot mount 'tank/parse/q': no mountpoint set\n", ['tank/parse/q']],
  ['unsupported', "invalid option 'p'\nusage:\n\tholds [-rH] <snapshot> ...\n", []],
  [
    'unsupported',
    "unrecognized command 'frobnicate'\nusage: zfs command args ...\nwhere 'command' is one of the following:\n",
    [],
  ],
  ['unsupported', "The ZFS modules are not loaded.\nTry running '/sbin/modprobe zfs' as root to load them.\n", []],
  ['other', 'Unable to obtain diffs: \n   Not an earlier snapshot from the same fs\n', []],
  ['other', 'Channel program execution failed:\n[string "channel program"]:1: syntax error near \'n\'\n', []],
  [
    'other',
    'Channel program execution failed:\nChannel program timed out.\nstack traceback:\n\t[string "channel program"]:1: in main chunk\n10000100 Lua instructions\n',
    [],
  ],
  ['other', 'Channel program execution failed:\nMemory limit exhausted.\n', []],
  ['other', "cannot set property for 'tank/parse/f@p': property value too long\n", ['tank/parse/f@p']],
  ['other', 'cannot create snapshots : multiple snapshots of same fs not allowed\nno snapshots were created\n', []],
  ['other', '', []],
  ['busy', "cannot destroy 'tank/parse/f': dataset is busy\n", ['tank/parse/f']],
  ['pool_gone', "cannot open 'tank': pool I/O is currently suspended\n", ['tank']],
  ['pool_gone', "cannot open 'tank': pool is unavailable\n", ['tank']],
  ['unsupported', "cannot set property for 'tank': unsupported version or feature\n", ['tank']],
  [
    'newer',
    "cannot rollback to 'tank/a@a': more recent snapshots or bookmarks exist\nuse '-r' to force deletion of the following\nsnapshots and bookmarks:\ntank/a@b\n",
    ['tank/a@b'],
  ],
];

describe('what zfs says', () => {
  test.each(SAID)('%s: %j', (kind, stderr, names) => expect(readFailure(stderr)).toMatchObject({ kind, names }));

  test('is one line, without usage and lists', () => {
    const messages = SAID.map(([, stderr]) => readFailure(stderr).message);
    expect(messages.filter((message) => /\n|usage|use '-/.test(message))).toEqual([]);
    expect(messages[0]).toBe("cannot open 'tank/parse/f@nope': dataset does not exist");
    expect(readFailure(SAID.find(([kind]) => kind === 'newer')?.[1] ?? '').message).toBe(
      "cannot rollback to 'tank/parse/f@p': more recent snapshots or bookmarks exist",
    );
  });

  test('is not what a dataset is called', () => {
    const stderr = "cannot rollback to 'tank/out of space@permission denied': dataset does not exist\n";
    expect(readFailure(stderr).kind).toBe('missing');
    const list =
      "cannot destroy 'tank/a': filesystem has children\nuse '-r' to destroy the following datasets:\ntank/busy\n";
    expect(readFailure(list).kind).toBe('other');
  });
});

describe('what a channel program returns', () => {
  test.each<[number, FailureKind, FailureKind]>([
    [2, 'missing', 'missing'],
    [17, 'exists', 'clones'],
    [16, 'busy', 'held'],
    [28, 'space', 'space'],
    [122, 'space', 'space'],
    [22, 'other', 'other'],
    [1, 'permission', 'permission'],
    [13, 'permission', 'permission'],
    [18, 'other', 'other'],
    [95, 'unsupported', 'unsupported'],
    [52, 'other', 'other'],
    [9999, 'other', 'other'],
  ])('%i is %s; of a destroy %s', (errno, kind, destroying) => {
    expect(ofErrno(errno)).toMatchObject({ kind, names: [] });
    expect(ofErrno(errno, 'destroy', ['tank/a@b'])).toMatchObject({ kind: destroying, names: ['tank/a@b'] });
    expect(ofErrno(errno).message).toContain(`(errno ${errno})`);
  });
});
