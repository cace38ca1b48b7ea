import { expect, test } from 'vitest';

import { explain } from '../../../src/reach/ssh/ssh.ts';

/* What OpenSSH's client 9.2 printed, word for word, and what it comes to. */

test.each([
  ['ssh: Could not resolve hostname db1: Name or service not known', 'context_unreachable', 'cannot be reached'],
  ['ssh: connect to host db1 port 22: Connection refused', 'context_unreachable', 'Connection refused'],
  ['ssh: connect to host db1 port 22: No route to host', 'context_unreachable', 'No route'],
  ['ssh: connect to host db1 port 22: Connection timed out', 'context_unreachable', 'timed out'],
  ['kex_exchange_identification: Connection closed by remote host', 'context_unreachable', 'kex'],
  [
    'No ED25519 host key is known for [db1]:22 and you have requested strict checking.\r\nHost key verification failed.',
    'context_denied',
    'is not known',
  ],
  [
    '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.',
    'context_denied',
    'not the one that is known',
  ],
  ['root@db1: Permission denied (publickey).', 'context_denied', 'publickey'],
  ['This account is currently not available.', 'context_missing', 'No POSIX shell'],
  ['', 'context_missing', 'No POSIX shell'],
])('%j', (said, code, words) => {
  const refused = explain('ssh:db1', said, false);
  expect(refused.code).toBe(code);
  expect(refused.message).toContain(words);
  expect(refused.hint).toContain('Nothing was executed');
});

test('nothing in time', () => {
  expect(explain('ssh:db1', '', true)).toMatchObject({
    code: 'context_unreachable',
    message: 'ssh:db1 did not answer in time.',
  });
});
