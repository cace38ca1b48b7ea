import { expect, test } from 'vitest';

import { listenersIn } from '../../src/wire/unix-sockets.ts';

const HEADING = 'Num       RefCount Protocol Flags    Type St Inode Path\n';
const line = (flags: string, path: string): string =>
  `0000000000000000: 00000002 00000000 ${flags} 0001 01 4711${path}\n`;

test.each([
  ['a path', line('00010000', ' /run/a b.sock'), [{ name: '/run/a b.sock', abstract: false, inode: '4711' }]],
  ['without a file', line('00010000', ' @hauki-vault'), [{ name: 'hauki-vault', abstract: true, inode: '4711' }]],
  ['filled up with NULs', line('00010000', ' @name@@@@'), [{ name: 'name', abstract: true, inode: '4711' }]],
  ['one that does not listen', line('00000000', ' @name'), []],
  ['one without a name', line('00010000', ''), []],
  ['nothing', '', []],
])('%s', (_, table, listeners) => {
  expect(listenersIn(HEADING + table)).toEqual(listeners);
});
