import { describe, expect, test } from 'vitest';

import { understand } from '../../../src/wire/irc/ask.ts';

const ID = '019aa000-0000-7000-8000-000000000001';
const SIGNATURE = 'A'.repeat(240);

describe('what is asked on IRC', () => {
  test.each([
    ['!status', { kind: 'status' }],
    ['!locks ', { kind: 'locks' }],
    ['!help', { kind: 'help' }],
    ['!node crm', { kind: 'node', node: 'crm' }],
    ['!last', { kind: 'last', count: 5 }],
    ['!last 10', { kind: 'last', count: 10 }],
    ["!why 'tank/crm@PRE_x',", { kind: 'why', of: 'tank/crm@PRE_x' }],
    [`!why ${ID}`, { kind: 'why', of: ID }],
  ])('%s is a question', (text, question) => {
    expect(understand(text)).toEqual({ type: 'question', question });
  });

  test.each([
    [`!rollback ${ID}`, { kind: 'rollback', mutation: ID }],
    [`!resolve ${ID} commit`, { kind: 'resolve', mutation: ID, choice: 'commit' }],
    [`!pin ${ID}`, { kind: 'pin', mutation: ID, pinned: true }],
    [`!unpin  ${ID}`, { kind: 'pin', mutation: ID, pinned: false }],
  ])('%s changes something', (text, change) => {
    expect(understand(text)).toEqual({ type: 'change', change });
  });

  test('a signed line says what was signed, by whom and when', () => {
    expect(understand(`!signed alice@ops 1700000000 ${SIGNATURE} resolve ${ID} rollback`)).toEqual({
      type: 'signed',
      signed: {
        change: { kind: 'resolve', mutation: ID, choice: 'rollback' },
        words: `resolve ${ID} rollback`,
        signer: 'alice@ops',
        at: 1_700_000_000,
        signature: SIGNATURE,
      },
    });
  });

  test.each(['status', 'hello !status', '!seen bob', '!constructor', '!__proto__', '!', '! status', ''])(
    '%j is for somebody else',
    (text) => {
      expect(understand(text)).toBeUndefined();
    },
  );

  test.each([
    '!status now',
    '!last 11',
    '!last 0',
    '!last -1',
    '!last 1e1x',
    '!node',
    `!why ${'x'.repeat(400)}`,
    '!rollback',
    '!rollback everything',
    `!rollback ${ID} ${ID}`,
    `!resolve ${ID}`,
    `!resolve ${ID} maybe`,
    `!signed -oProxyCommand=x 1 ${SIGNATURE} pin ${ID}`,
    `!signed alice 1 ${SIGNATURE} status`,
    `!signed alice soon ${SIGNATURE} pin ${ID}`,
    `!signed alice 1 !!! pin ${ID}`,
  ])('%j is answered with how it is written', (text) => {
    expect(understand(text)).toMatchObject({ type: 'usage' });
  });
});
