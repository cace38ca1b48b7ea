import { expect, test } from 'vitest';

import type { CommandBody } from '../../../src/core/command.ts';
import { standing, Story, T0 } from '../story.ts';

const issue = (name = 'ci', digest = 'd1'): CommandBody => ({
  type: 'issue_token',
  name,
  digest,
  scopes: ['read', 'guard'],
});

test('a token is on record by its digest', () => {
  const story = new Story();
  expect(story.say(issue())).toBe('token_issued');
  expect(story.state.tokens.get('d1')).toEqual({ name: 'ci', digest: 'd1', scopes: ['read', 'guard'], issuedAt: T0 });
});

test('a name is that of one token, and a proper one', () => {
  const story = new Story();
  story.tell(issue());
  expect(story.say(issue('ci', 'd2'))).toBe('! name_taken');
  expect(story.say(issue('a b', 'd2'))).toBe('! node_invalid');
});

test('a token that is revoked is gone, and so is what its bearer had open', () => {
  const story = standing('cleared', { node: 'ci' });
  story.tell(issue());
  expect(story.say({ type: 'revoke_token', name: 'ci' })).toBe('token_revoked, rollback_started');
  expect(story.get().reason?.code).toBe('token_revoked');
  expect(story.state.tokens.size).toBe(0);
  expect(story.say({ type: 'revoke_token', name: 'ci' })).toBe('! token_unknown');
  expect(story.say(issue('ci', 'd2'))).toBe('token_issued');
});

test('a denial at a door is on record', () => {
  const denial = { peer: '10.0.0.9', what: 'POST /v1/prune', code: 'forbidden', message: 'No.', times: 3 } as const;
  const story = new Story();
  expect(story.say({ type: 'report_denial', as: 'node crm', ...denial })).toBe('access_denied');
  expect(story.events.at(-1)).toMatchObject({ as: 'node crm', ...denial });
});
