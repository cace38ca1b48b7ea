import { describe, expect, test } from 'vitest';

import { explainGocryptfs, readFsck, readMasterKey } from '../../../src/wire/vault/gocryptfs.ts';
import { explainSshfs, isFrom } from '../../../src/wire/vault/sshfs.ts';

/* What gocryptfs 2.3 and sshfs 3.7 printed, word for word. */

describe('why gocryptfs did not do it', () => {
  test.each([
    [6, 'Invalid cipherdir: directory /c not empty', 'vault_present'],
    [6, 'Invalid cipherdir: stat /c: no such file or directory', 'vault_missing'],
    [9, 'Got empty Password from stdin', 'vault_key_wrong'],
    [10, 'Invalid mountpoint: directory /m not empty', 'mount_point_unusable'],
    [11, 'Cannot open config file: open /c/gocryptfs.conf: no such file or directory', 'vault_missing'],
    [11, 'Failed to unmarshal config file\nCannot open config file: unexpected end of JSON input', 'vault_missing'],
    [12, 'failed to unlock master key: cipher: message authentication failed\nPassword incorrect.', 'vault_key_wrong'],
    [22, '', 'vault_key_wrong'],
    [24, 'open /c/gocryptfs.conf.tmp: no space left on device', 'vault_unavailable'],
    [19, 'fs.Mount failed: fusermount exited with code 256', 'vault_unavailable'],
    [null, '', 'vault_unavailable'],
    [255, '🦈'.repeat(1_000), 'vault_unavailable'],
  ])('%s: %s', (code, said, expected) => {
    const { code: found, message } = explainGocryptfs(code, said, '/c');
    expect(found).toBe(expected);
    expect(message.length).toBeLessThan(800);
  });

  test('its last words are told, what it always says is not', () => {
    const said = 'Reading Password from stdin\nDecrypting master key\nfs.Mount failed: no such device.\n\n';
    expect(explainGocryptfs(19, said, '/c').message).toBe(
      'gocryptfs ended with code 19 on /c (gocryptfs: fs.Mount failed: no such device).',
    );
    expect(explainGocryptfs(1, 'Reading Password from stdin\nDecrypting master key\n', '/c').message).not.toContain(
      'master',
    );
  });
});

test('a master key is 256 bits of hex in a line of its own, or there is none', () => {
  const key = '80aabf2a1ffbc75f5ba30c15abfd04dbbc2261ae35de393e68798067ef0dbf64';
  expect(readMasterKey(`Reading Password from stdin\n${key}\n`)).toBe(key);
  for (const other of ['', key.slice(1), `${key}0`, `x ${key}`, key.toUpperCase()])
    expect(readMasterKey(other)).toBeUndefined();
});

describe('what a check found', () => {
  test.each([
    [
      0,
      'Decrypting master key\nfsck summary: no problems found\n',
      { healthy: true, damaged: [], count: 0, skipped: 0 },
    ],
    [
      26,
      [
        'fsck: corrupt entry in dir "": "garbage"',
        'fsck: corrupt entry in dir "nodes/crm": "nodiriv"',
        'OpenDir ".": invalid entry "garbage": bad message',
        'fsck: error reading file "a b" (inum 2205926): read /tmp/gocryptfs.fsck.1673559955/a b: input/output error',
        'fsck: error reading file "a b" (inum 2205926): read /tmp/gocryptfs.fsck.1673559955/a b: input/output error',
        'fsck: something new',
        'fsck summary: 4 corrupt files, 2 files skipped',
      ].join('\n'),
      {
        healthy: false,
        damaged: [
          'the folder at the top has an entry whose name cannot be decrypted: "garbage" in the cipher folder',
          'the folder "nodes/crm" has an entry whose name cannot be decrypted: "nodiriv" in the cipher folder',
          'the file "a b" cannot be decrypted',
          'something new',
        ],
        count: 4,
        skipped: 2,
      },
    ],
    [
      26,
      'fsck: error listing xattrs on "": operation not supported\nfsck: error listing xattrs on "nodes": operation not supported\nfsck summary: 2 corrupt files, 0 files skipped\n',
      { healthy: true, damaged: [], count: 0, skipped: 0 },
    ],
    [26, '', { healthy: false, damaged: [], count: 0, skipped: 0 }],
    [12, 'Password incorrect.', undefined],
    [null, 'fsck: corrupt entry in dir "": "garbage"', undefined],
  ])('%s', (code, said, expected) => expect(readFsck(code, said)).toEqual(expected));

  test('of very many the first are told, and how many there are', () => {
    const lines = Array.from({ length: 10_000 }, (_, index) => `fsck: corrupt entry in dir "": "${index}"`);
    const report = readFsck(26, [...lines, 'fsck summary: 10000 corrupt files, 0 files skipped'].join('\n'));
    expect([report?.damaged.length, report?.count]).toEqual([1_000, 10_000]);
  });
});

describe('sshfs', () => {
  test.each([
    ['read: Connection reset by peer', 'context_unreachable'],
    ['ssh: connect to host h port 22: Connection refused\nread: Connection reset by peer', 'context_unreachable'],
    ['ssh: Could not resolve hostname h: Name or service not known', 'context_unreachable'],
    ['Host key verification failed.\nread: Connection reset by peer', 'context_denied'],
    ['u@h: Permission denied (publickey).\nread: Connection reset by peer', 'context_denied'],
    ['h:/none: No such file or directory', 'vault_missing'],
    ['fuse: device not found, try modprobe fuse first', 'vault_unavailable'],
    ['', 'vault_unavailable'],
  ])('%s', (said, code) => expect(explainSshfs(said, 'u@h:/c').code).toBe(code));

  test.each([
    ['storage:/srv/cipher', true],
    ['vault@10.0.0.5:/srv/c d', true],
    ['vault@[fd00::1]:/srv', true],
    ['storage:relative', false],
    ['/srv/cipher', false],
    ['-oProxyCommand=x:/y', false],
    ['-x@host:/y', false],
    ['host,direct_io:/y', false],
    ['host:/a\nb', false],
    ['', false],
  ])('%j names a folder on a host: %s', (text, is) => expect(isFrom(text)).toBe(is));
});
