import { describe, expect, test } from 'vitest';

import type { CommandBody } from '../../../src/core/command.ts';
import { identify } from '../../../src/core/node/member.ts';
import { asking, standing, Story, T0 } from '../story.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const invite = (node = 'crm', digest = 'd1', more: object = {}): CommandBody => ({
  type: 'invite',
  node,
  digest,
  expiresAt: T0 + HOUR,
  policy: {},
  ...more,
});
const join = (node = 'crm', digest = 'd1', key = 'k1'): CommandBody => ({
  type: 'join',
  node,
  digest,
  fingerprint: key,
  publicKey: `spki of ${key}`,
  expiresAt: T0 + 30 * DAY,
});
const rotate = (from: string, key: string, node = 'crm'): CommandBody => ({
  type: 'rotate',
  node,
  from,
  fingerprint: key,
  publicKey: `spki of ${key}`,
  expiresAt: T0 + 60 * DAY,
});
const revoke = (node = 'crm'): CommandBody => ({ type: 'revoke', node });

/** A story in which these were said, each to some effect. */
function after(...bodies: CommandBody[]): Story {
  const story = new Story();
  for (const body of bodies) story.tell(body);
  return story;
}

describe('an invitation', () => {
  test('is on record with the digest of its secret', () => {
    const story = new Story();
    expect(story.say(invite('crm', 'd1', { policy: { rate: 3 } }))).toBe('node_invited');
    expect(story.state.invitations.get('crm')).toEqual({
      node: 'crm',
      digest: 'd1',
      expiresAt: T0 + HOUR,
      policy: { rate: 3 },
    });
  });

  test.each(['', 'a/b', 'a b', 'n'.repeat(300), '.hidden', 'ä'])('is refused for a node called %j', (name) => {
    expect(new Story().say(invite(name))).toBe('! node_invalid');
  });

  test('takes the place of the one before, whose token is worth nothing then', () => {
    const story = after(invite(), invite('crm', 'd2'));
    expect(story.say(join())).toBe('! token_unknown');
    expect(story.say(join('crm', 'd2'))).toBe('node_joined');
  });

  test('is refused while a node of that name is a member', () => {
    const story = after(invite(), join());
    expect(story.say(invite('crm', 'd2'))).toBe('! name_taken');
  });

  test('is refused for the name of an API token, and the other way round', () => {
    const story = after({ type: 'issue_token', name: 'ci', digest: 't', scopes: ['guard'] });
    expect(story.say(invite('ci'))).toBe('! name_taken');
    story.tell(invite());
    expect(story.say({ type: 'issue_token', name: 'crm', digest: 'u', scopes: ['guard'] })).toBe('! name_taken');
  });

  test('can be given to a node whose certificate ran out', () => {
    const story = after(invite(), join()).pass(30 * DAY);
    expect(story.say(invite('crm', 'd2', { expiresAt: story.at + HOUR }))).toBe('node_invited');
    expect(story.say({ ...join('crm', 'd2', 'k2'), expiresAt: story.at + DAY } as CommandBody)).toBe('node_joined');
  });

  test('is withdrawn by revoking', () => {
    const story = after(invite());
    expect(story.say(revoke())).toBe('node_uninvited');
    expect(story.say(join())).toBe('! token_unknown');
  });

  test('that ran out is forgotten in the end', () => {
    const story = after(invite('old')).pass(8 * DAY);
    story.tell(invite('crm', 'd2', { expiresAt: story.at + HOUR }));
    expect([...story.state.invitations.keys()]).toEqual(['crm']);
  });
});

describe('joining', () => {
  test('makes a member of the invited, with what the invitation allows', () => {
    const story = after(invite('crm', 'd1', { policy: { datasets: ['tank/crm'] } }));
    expect(story.say(join())).toBe('node_joined');
    expect(story.state.invitations.size).toBe(0);
    expect(story.state.nodes.get('crm')).toEqual({
      name: 'crm',
      fingerprint: 'k1',
      publicKey: 'spki of k1',
      invitation: 'd1',
      joinedAt: T0,
      expiresAt: T0 + 30 * DAY,
      policy: { datasets: ['tank/crm'] },
    });
  });

  const refused: [string, CommandBody[], CommandBody, string, number?][] = [
    ['without an invitation', [], join(), '! token_unknown'],
    ['with another secret', [invite()], join('crm', 'd9'), '! token_unknown'],
    ['under another name', [invite()], join('shop'), '! token_unknown'],
    ['a moment before the end', [invite()], join(), 'node_joined', HOUR - 1],
    ['too late', [invite()], join(), '! token_expired', HOUR],
    ['once more with another key', [invite(), join()], join('crm', 'd1', 'k2'), '! token_used'],
    ['once more with the same key', [invite(), join()], join(), '-'],
    ['once more with the same key after a day', [invite(), join()], join(), '-', DAY],
    ['once more with the same key after its certificate ran out', [invite(), join()], join(), '! token_used', 30 * DAY],
    ['once more after being revoked', [invite(), join(), revoke()], join(), '! node_revoked'],
    [
      'with the key of another node',
      [invite(), join(), invite('shop', 'd2')],
      join('shop', 'd2'),
      '! certificate_refused',
    ],
  ];
  test.each(refused)('%s', (_, before, body, expected, passMs = 0) => {
    expect(
      after(...before)
        .pass(passMs)
        .say(body),
    ).toBe(expected);
  });

  test('of two at once lets one in', () => {
    const story = after(invite());
    expect([story.say(join('crm', 'd1', 'k1')), story.say(join('crm', 'd1', 'k2'))]).toEqual([
      'node_joined',
      '! token_used',
    ]);
    expect(story.state.nodes.get('crm')?.fingerprint).toBe('k1');
  });
});

describe('rotating', () => {
  const joined = (): Story => after(invite(), join()).pass(DAY);
  const known = (story: Story, key: string): string | undefined => {
    const found = identify(story.state.nodes, { name: 'crm', fingerprint: key }, story.at);
    return found.ok ? found.value.name : found.error.code;
  };

  test('brings another key, and lets what runs with the old one end', () => {
    const story = joined();
    expect(story.say(rotate('k1', 'k2'))).toBe('node_rotated');
    expect([known(story, 'k1'), known(story, 'k2'), known(story, 'k3')]).toEqual(['crm', 'crm', 'certificate_refused']);
    story.pass(DAY - 1);
    expect(known(story, 'k1')).toBe('crm');
    story.pass(1);
    expect([known(story, 'k1'), known(story, 'k2')]).toEqual(['certificate_refused', 'crm']);
  });

  test('does not keep the old key longer than its certificate', () => {
    const story = after(invite(), join()).pass(30 * DAY - HOUR);
    story.tell(rotate('k1', 'k2'));
    expect(story.state.nodes.get('crm')?.previous?.until).toBe(T0 + 30 * DAY);
  });

  test('can be asked for again when the answer was lost', () => {
    const story = joined();
    story.tell(rotate('k1', 'k2'));
    expect(story.say(rotate('k1', 'k2'))).toBe('node_rotated');
    expect(story.state.nodes.get('crm')).toMatchObject({ fingerprint: 'k2', previous: { fingerprint: 'k1' } });
  });

  test('is not for the key before: whoever stole it cannot take the place of the new one', () => {
    const story = joined();
    story.tell(rotate('k1', 'k2'));
    expect(story.say(rotate('k1', 'k3'))).toBe('! certificate_refused');
  });

  test('with the same key only makes it last longer', () => {
    const story = joined();
    story.tell(rotate('k1', 'k1'));
    expect(story.state.nodes.get('crm')).toMatchObject({ fingerprint: 'k1', expiresAt: T0 + 60 * DAY });
    expect(story.state.nodes.get('crm')?.previous).toBeUndefined();
  });

  test('is refused to a stranger, to the revoked, and with a key that is taken', () => {
    expect(new Story().say(rotate('k1', 'k2'))).toBe('! node_unknown');
    expect(after(invite(), join(), revoke()).say(rotate('k1', 'k2'))).toBe('! node_revoked');
    const two = after(invite(), join(), invite('shop', 'd2'), join('shop', 'd2', 'k2'));
    expect(two.say(rotate('k1', 'k2'))).toBe('! certificate_refused');
  });
});

describe('revoking', () => {
  const OF_CRM = { node: 'crm' };

  test('a stranger', () => {
    expect(new Story().say(revoke())).toBe('! node_unknown');
  });

  test('denies everything from then on, by a code of its own', () => {
    const story = after(invite(), join(), revoke());
    expect(story.say({ type: 'request', mutation: 'm', request: asking(['/a'], OF_CRM) })).toBe('requested, denied');
    expect(story.get().reason?.code).toBe('node_revoked');
    expect(identify(story.state.nodes, { name: 'crm', fingerprint: 'k1' }, story.at)).toMatchObject({
      error: { code: 'node_revoked' },
    });
  });

  test.each([
    ['queued', 'denied', 'denied'],
    ['snapshotting', 'withdraw_started', 'withdrawing'],
    ['withdrawing', undefined, 'withdrawing'],
    ['cleared', 'rollback_started', 'rolling_back'],
    ['rolling_back', undefined, 'rolling_back'],
    ['quarantined', undefined, 'quarantined'],
  ] as const)('ends what it has open: %s', (stage, event, becomes) => {
    const story = standing(stage, OF_CRM, after(invite(), join()));
    expect(story.say(revoke())).toBe(['node_revoked', ...(event === undefined ? [] : [event])].join(', '));
    expect(story.stage()).toBe(becomes);
    expect(story.get().reason?.code === 'node_revoked').toBe(event !== undefined);
  });

  test('keeps for a person what was to be kept, and has its holder stopped', () => {
    const story = standing('cleared', { ...OF_CRM, onExpiry: 'quarantine' }, after(invite(), join()));
    expect(story.say(revoke())).toBe('node_revoked, quarantined');
  });

  test('a request withdrawn for it ends as denied', () => {
    const story = standing('snapshotting', OF_CRM, after(invite(), join()));
    story.tell(revoke());
    story.tell({ type: 'withdraw_answered', mutation: 'm', answer: { kind: 'done', value: undefined } });
    expect(story.stage()).toBe('denied');
  });

  test('makes room for who waits behind it', () => {
    const story = standing('queued', OF_CRM, after(invite(), join())).ask(['/srv/site'], {}, 'next');
    story.tell({
      type: 'snapshot_answered',
      mutation: 'holder',
      answer: { kind: 'done', value: story.frozen('holder') },
    });
    story.commit('holder');
    expect(story.stage('m')).toBe('snapshotting');
    story.tell(revoke());
    story.tell({ type: 'withdraw_answered', mutation: 'm', answer: { kind: 'done', value: undefined } });
    expect(story.stage('next')).toBe('snapshotting');
  });

  test('leaves others alone', () => {
    const story = standing('cleared', { node: 'shop' }, after(invite(), join()));
    expect(story.say(revoke())).toBe('node_revoked');
    expect(story.stage()).toBe('cleared');
  });

  test('twice is once', () => {
    expect(after(invite(), join(), revoke()).say(revoke())).toBe('-');
  });

  test('can be made good: invited again, it joins as a new one', () => {
    const story = after(invite(), join(), revoke());
    expect(story.say(invite('crm', 'd2'))).toBe('node_invited');
    expect(story.say(join())).toBe('! node_revoked');
    expect(story.say(join('crm', 'd2', 'k2'))).toBe('node_joined');
    expect(story.state.nodes.get('crm')?.revokedAt).toBeUndefined();
    expect(story.say(join())).toBe('! token_unknown');
  });

  test('takes back an invitation that was open as well', () => {
    const story = after(invite(), join()).pass(DAY);
    story.tell(revoke());
    story.tell(invite('crm', 'd2', { expiresAt: story.at + HOUR }));
    expect(story.say(revoke())).toBe('node_uninvited');
  });
});
