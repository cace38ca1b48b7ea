import { describe, expect, test } from 'vitest';

import { refusal } from '../../../src/base/refusal.ts';
import type { Code } from '../../../src/base/codes.ts';
import type { MutationRequest } from '../../../src/core/mutation/mutation.ts';
import { asking, standing, Story, T0 } from '../story.ts';

describe('a request', () => {
  test('is on record before anything else, and then begins', () => {
    const story = new Story();
    expect(story.say({ type: 'request', mutation: 'm', request: asking(['/a']) })).toBe('requested, snapshot_started');
    expect(story.get()).toMatchObject({
      stage: 'snapshotting',
      fence: 1,
      requestedAt: T0,
      intent: 'deploy x',
      pinned: false,
    });
  });

  const refused: [string, readonly string[], Partial<MutationRequest>, Code][] = [
    ['without an intent', ['/a'], { intent: '' }, 'intent_invalid'],
    ['with an intent of spaces', ['/a'], { intent: ' \n\t' }, 'intent_invalid'],
    ['with an intent of 513 characters', ['/a'], { intent: 'é'.repeat(513) }, 'intent_invalid'],
    ['with a NUL in its intent', ['/a'], { intent: 'a\0b' }, 'intent_invalid'],
    ['with half a character in its intent', ['/a'], { intent: 'a\ud800b' }, 'intent_invalid'],
    ['of a node without a name', ['/a'], { node: '' }, 'node_invalid'],
    ['of a node with a slash', ['/a'], { node: 'a/b' }, 'node_invalid'],
    ['of a node with 64 characters', ['/a'], { node: 'n'.repeat(64) }, 'node_invalid'],
    ['for nothing', [], {}, 'datasets_invalid'],
    ['for the same twice', ['/a', '/a'], {}, 'datasets_invalid'],
    ['for one inside another', ['/a/b', '/c', '/a'], {}, 'datasets_invalid'],
    ['for too many', Array.from({ length: 65 }, (_, index) => `/a${index}`), {}, 'datasets_invalid'],
    ['with too short a lease', ['/a'], { ttlMs: 999 }, 'duration_invalid'],
    ['with too long a lease', ['/a'], { ttlMs: 86_400_001 }, 'duration_invalid'],
    ['with a lease that is no number', ['/a'], { ttlMs: Number.NaN }, 'duration_invalid'],
    ['with a negative wait', ['/a'], { waitMs: -1 }, 'duration_invalid'],
    ['with too long a wait', ['/a'], { waitMs: 3_600_001 }, 'duration_invalid'],
    ['in critical mode', ['/a'], { mode: 'critical' }, 'mode_unsupported'],
    ['for a name that leaves no room', [`/${'a'.repeat(220)}`], {}, 'name_too_long'],
  ];
  test.each(refused)('%s is denied, and that is on record', (_, datasets, more, code) => {
    const story = new Story();
    expect(story.say({ type: 'request', mutation: 'm', request: asking(datasets, more) })).toBe('requested, denied');
    expect(story.get().reason?.code).toBe(code);
    expect(story.get().reason?.hint).not.toBe('');
    expect(story.get().endedAt).toBe(T0);
  });

  test.each([
    ['one character', 'x'],
    ['512 characters', '☃'.repeat(512)],
    ['newlines, quotes and a command', 'a\nb "c" \'d\' $(reboot) `e` ; rm -rf / @home | é 🚀'],
  ])('may have an intent of %s', (_, intent) => {
    expect(new Story().ask(['/a'], { intent }).get()).toMatchObject({ stage: 'snapshotting', intent });
  });

  test('for something that cannot be guarded is denied with the reason that was found', () => {
    const story = new Story();
    const unlocated = refusal('dataset_missing', 'There is no /a.');
    expect(story.say({ type: 'request', mutation: 'm', request: asking(['/a']), unlocated })).toBe('requested, denied');
    expect(story.get().reason).toBe(unlocated);
  });

  test('is denied when too many are open', () => {
    const story = new Story({ openMax: 2 }).ask(['/a'], {}, 'm1').ask(['/a'], {}, 'm2').ask(['/b']);
    expect(story.get().reason?.code).toBe('overloaded');
    story.cleared('m1').commit('m1');
    expect(story.ask(['/b'], {}, 'later').stage('later')).toBe('snapshotting');
  });

  test('is denied when one dataset lies in another by its place', () => {
    const datasets = [
      { name: 'tank/a', driver: 'zfs', at: '/srv/a' },
      { name: '/srv/a/sub', driver: 'directory' },
    ] as const;
    expect(new Story().ask([], { datasets }).get().reason?.code).toBe('datasets_invalid');
  });

  test('waits for a dataset that contains it by place', () => {
    const story = new Story();
    story.ask([], { datasets: [{ name: 'tank/a', driver: 'zfs', at: '/srv/a' }] }, 'holder').ask(['/srv/a/sub']);
    expect(story.stage()).toBe('queued');
  });
});

describe('policy of a node', () => {
  test('goes by place where names cannot tell', () => {
    const story = new Story({ nodes: { 'hauki-crm': { datasets: ['/srv/crm'] } } });
    const at = (place: string) => ({ datasets: [{ name: 'tank/crm', driver: 'zfs', at: place }] }) as const;
    expect(story.ask([], at('/srv/crm/db'), 'm1').stage('m1')).toBe('snapshotting');
    expect(story.ask([], at('/srv/other'), 'm2').get('m2').reason?.code).toBe('policy_denied');
  });

  const policy = { nodes: { crm: { datasets: ['/srv/crm'], ttlMsMax: 5_000 } } };
  test.each([
    ['/srv/crm', 1_000, undefined],
    ['/srv/crm/part', 5_000, undefined],
    ['/srv', 1_000, 'policy_denied'],
    ['/srv/crm2', 1_000, 'policy_denied'],
    ['/srv/crm', 5_001, 'duration_invalid'],
  ] as const)('%s for %d ms: %s', (dataset, ttlMs, code) => {
    expect(new Story(policy).ask([dataset], { node: 'crm', ttlMs }).get().reason?.code).toBe(code);
  });

  test('who is not named may do everything', () => {
    expect(new Story(policy).ask(['/srv'], { node: 'other' }).stage()).toBe('snapshotting');
  });
});

describe('an Idempotency-Key', () => {
  const keyed = asking(['/a'], { key: 'k', keyDigest: 'd' });

  test('used again for the same asks nothing new', () => {
    const story = new Story();
    story.tell({ type: 'request', mutation: 'm', request: keyed });
    expect(story.say({ type: 'request', mutation: 'again', request: keyed }, { earlier: story.get() })).toBe('-');
    expect(story.stage('again')).toBeUndefined();
  });

  test('used again for something else is refused', () => {
    const story = new Story();
    story.tell({ type: 'request', mutation: 'm', request: keyed });
    const other = asking(['/b'], { key: 'k', keyDigest: 'another' });
    expect(story.say({ type: 'request', mutation: 'again', request: other }, { earlier: story.get() })).toBe(
      '! idempotency_mismatch',
    );
  });

  test('of a request that a restart denied brings the same denial: nothing was executed', () => {
    const story = standing('queued');
    story.tell({ type: 'start', version: '1', node: 'host' });
    const earlier = story.get();
    expect(earlier.reason?.code).toBe('controller_restarted');
    const request = asking(['/srv/site']);
    expect(story.say({ type: 'request', mutation: 'again', request }, { earlier })).toBe('-');
  });
});

describe('the snapshot', () => {
  const answer = (story: Story, value: ReturnType<Story['frozen']>): string =>
    story.say({ type: 'snapshot_answered', mutation: 'm', answer: { kind: 'done', value } });

  test('read back whole clears', () => {
    const story = new Story().ask(['/a', '/b']);
    expect(answer(story, story.frozen())).toBe('cleared');
    expect(story.get().snapshots.map(({ guid }) => guid)).toEqual(story.frozen().map(({ guid }) => guid));
    expect(story.get()).toMatchObject({ clearedAt: T0, expiresAt: T0 + 60_000 });
  });

  test.each([
    ['one is missing', (all: ReturnType<Story['frozen']>) => all.slice(1)],
    [
      'one has no guid',
      (all: ReturnType<Story['frozen']>) => all.map((one, index) => (index === 0 ? { ...one, guid: '' } : one)),
    ],
    ["one is another dataset's", (all: ReturnType<Story['frozen']>) => all.map((one) => ({ ...one, dataset: '/b' }))],
    [
      'one has another name',
      (all: ReturnType<Story['frozen']>) => all.map((one) => ({ ...one, name: `${one.name}x` })),
    ],
  ])('not read back whole does not: %s', (_, spoil) => {
    const story = new Story().ask(['/a', '/b']);
    expect(answer(story, spoil(story.frozen()))).toBe('withdraw_started');
    expect(story.get().reason?.code).toBe('snapshot_failed');
    expect(story.say({ type: 'withdraw_answered', mutation: 'm', answer: { kind: 'done', value: undefined } })).toBe(
      'denied',
    );
  });

  test('that comes after it was withdrawn clears nothing', () => {
    const story = new Story().ask(['/a']);
    story.tell({ type: 'holder_gone', mutation: 'm' });
    expect(answer(story, story.frozen())).toBe('-');
  });

  test('of an operator who took the request back is withdrawn, in honest words', () => {
    const story = standing('snapshotting');
    story.tell({ type: 'rollback', mutation: 'm' });
    expect(story.get().reason?.message).toContain('operator');
  });
});
