import { describe, expect, test } from 'vitest';

import { passingSigner } from '../../../src/ledger/signing.ts';
import { headLine, headsIn } from '../../../src/wire/irc/witness.ts';

const head = passingSigner().sign(4_711, 'ab'.repeat(32));
const said = headLine(head);

describe('an announced head', () => {
  test.each([
    ['irssi', `12:34 <@hauki> ${said}`],
    ['irssi with a date', `2026-11-24 12:34:56 < hauki> ${said}`],
    ['weechat', `2026-11-24 12:34:56\t@hauki\t${said}`],
    ['ZNC', `[12:34:56] <hauki> ${said}`],
    ['HexChat', `Nov 24 12:34:56 <hauki>\t${said}`],
    ['quoted by somebody', `[12:34:56] <bob> hauki said: ${said} ok?`],
    ['with a colour before it', `<hauki> \u0002${said}\u000f`],
    ['with the end of a line', `<hauki> ${said}\r`],
  ])('is found in a log of %s', (_client, line) => {
    expect(headsIn(line)).toEqual([head]);
  });

  test('is found twice in a line', () => {
    expect(headsIn(`${said} ${said}`)).toHaveLength(2);
  });

  test.each([
    said.slice(0, -2),
    said.replace('head', 'ahead'),
    said.toUpperCase(),
    said.replace(' 4711 ', ' 47 11 '),
    `${said}A`,
    said.replace('4711', '4'.repeat(40)),
    '',
  ])('is not taken out of %j', (line) => {
    expect(headsIn(line)).toEqual([]);
  });
});
