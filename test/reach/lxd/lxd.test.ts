import { expect, test } from 'vitest';

import { explain, lxdReach } from '../../../src/reach/lxd/lxd.ts';

const CRM = { name: 'lxd:crm', instance: 'crm', program: 'lxc' } as const;

test.each([
  [{ said: 'Error: Instance not found' }, false, 'context_missing', 'no instance crm'],
  [
    {
      said: 'Error: Get "http://unix.socket/1.0": dial unix /var/lib/lxd/unix.socket: connect: no such file or directory',
    },
    false,
    'context_unreachable',
    'cannot be asked',
  ],
  [{ status: 'Stopped', said: '' }, false, 'context_missing', 'it is stopped'],
  [{ status: 'Frozen', said: '' }, true, 'context_missing', 'it is frozen'],
  [{ status: 'Running', said: '' }, true, 'context_unreachable', 'did not answer in time'],
  [{ status: 'Running', said: '' }, false, 'context_missing', 'No POSIX shell answers'],
])('%j', (asked, late, code, words) => {
  const refused = explain(CRM, 'Error: Command not found', late, asked);
  expect(refused.code).toBe(code);
  expect(refused.message).toContain(words);
  expect(refused.hint).toContain('Nothing was executed');
});

test('a client that is not installed is a context that is not there', async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = '/nowhere';
  const reach = lxdReach({ ...CRM, program: 'incus' });
  process.env['PATH'] = path;
  expect(await reach.run({ argv: ['true'] })).toMatchObject({
    ok: false,
    error: { code: 'context_missing', message: 'lxd:crm cannot be reached: incus is not installed here.' },
  });
});
