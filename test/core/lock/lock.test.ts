import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { ancestorsOf, anyOverlapping, contains, overlap, overlapping, within } from '../../../src/core/dataset.ts';
import { describeHolders, holdersOf, inTheWayOf, whoseTurn } from '../../../src/core/lock/lock.ts';
import { standing, Story, TROUBLE } from '../story.ts';

describe('datasets', () => {
  test.each([
    ['tank/a', 'tank/a', true],
    ['tank/a', 'tank/a/b', true],
    ['tank/a/b', 'tank/a', true],
    ['tank/a', 'tank/ab', false],
    ['tank/a', 'tank/a-b', false],
    ['tank/a/b', 'tank/a/c', false],
    ['/', '/srv', true],
    ['/srv', '/', true],
    ['/srv/', '/srv/site', true],
  ])('%s and %s overlap: %s', (a, b, expected) => {
    expect(overlap(a, b)).toBe(expected);
    expect(anyOverlapping([{ name: 'elsewhere' }, { name: a }], [{ name: b }])).toBe(expected);
  });

  const pool = { name: 'tank/a', at: '/srv/a' };
  test.each([
    ['a pool dataset and a directory in it', pool, { name: '/srv/a/sub' }, true],
    ['a pool dataset and the directory it is', pool, { name: '/srv/a' }, true],
    ['a pool dataset and a directory around it', pool, { name: '/srv' }, true],
    ['a pool dataset and a directory beside it', pool, { name: '/srv/ab' }, false],
    ['a pool dataset that is mounted nowhere, and a directory', { name: 'tank/a' }, { name: '/tank/a' }, false],
    // Their states do not contain each other, though the paths do.
    ['two pool datasets, one mounted in the other', pool, { name: 'tank/b', at: '/srv/a/b' }, false],
    ['two pool datasets, one named in the other', pool, { name: 'tank/a/b', at: '/elsewhere' }, true],
  ])('%s', (_, a, b, expected) => {
    expect(overlapping(a, b)).toBe(expected);
    expect(overlapping(b, a)).toBe(expected);
    expect(within(a, b) || within(b, a)).toBe(expected);
  });

  test.each([
    ['a/b/c', ['a/b', 'a']],
    ['/a/b', ['/a', '/']],
    ['a', []],
    ['/', []],
  ])('the ancestors of %s', (name, expected) => {
    expect(ancestorsOf(name)).toEqual(expected);
  });

  test('a dataset overlaps with exactly itself, its ancestors and what it is an ancestor of', () => {
    const name = fc
      .array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 4 })
      .map((parts) => `/${parts.join('/')}`);
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(overlap(a, b)).toBe(a === b || ancestorsOf(a).includes(b) || ancestorsOf(b).includes(a));
        expect(contains(a, b)).toBe(ancestorsOf(b).includes(a));
      }),
    );
  });
});

describe('who holds waits for nobody, who overlaps waits', () => {
  test('different datasets at once', () => {
    const story = new Story().ask(['/a'], {}, 'm1').ask(['/b'], {}, 'm2');
    expect([story.stage('m1'), story.stage('m2')]).toEqual(['snapshotting', 'snapshotting']);
  });

  test.each([
    ['/a', '/a'],
    ['/a', '/a/b'],
    ['/a/b', '/a'],
    ['/', '/a'],
  ])('%s held, %s waits', (held, wanted) => {
    const story = new Story().ask([held], {}, 'm1').ask([wanted], {}, 'm2');
    expect(story.stage('m2')).toBe('queued');
    story.cleared('m1');
    expect(story.say({ type: 'commit', mutation: 'm1', fence: 1 })).toBe('m1 committed, m2 snapshot_started');
  });

  test.each(['withdrawing', 'cleared', 'committing', 'rolling_back', 'quarantined'] as const)(
    'a %s mutation keeps its locks',
    (stage) => {
      const story = standing(stage).ask(['/srv/site/part'], {}, 'next');
      expect(story.stage('next')).toBe('queued');
    },
  );

  test.each(['committed', 'rolled_back', 'denied', 'cancelled'] as const)('a %s mutation has none', (stage) => {
    const story = standing(stage, {}, new Story());
    const expected = stage === 'cancelled' ? 'queued' : 'snapshotting';
    expect(story.ask(['/srv/site/part'], {}, 'next').stage('next')).toBe(expected);
  });

  test('nobody overtakes: who overlaps with one that waits waits behind it, though its own datasets are free', () => {
    const story = new Story()
      .ask(['/a'], {}, 'm1')
      .ask(['/a', '/b'], {}, 'm2')
      .ask(['/b'], {}, 'm3')
      .ask(['/c'], {}, 'm4');
    expect(['m1', 'm2', 'm3', 'm4'].map((id) => story.stage(id))).toEqual([
      'snapshotting',
      'queued',
      'queued',
      'snapshotting',
    ]);
    story.cleared('m1').commit('m1');
    expect([story.stage('m2'), story.stage('m3')]).toEqual(['snapshotting', 'queued']);
    story.cleared('m2').commit('m2');
    expect(story.stage('m3')).toBe('snapshotting');
  });

  test('all of a set at once, or none: no deadlock', () => {
    const story = new Story().ask(['/x'], {}, 'm0').ask(['/a', '/x'], {}, 'm1').ask(['/x', '/a'], {}, 'm2');
    story.cleared('m0').commit('m0');
    expect([story.stage('m1'), story.stage('m2')]).toEqual(['snapshotting', 'queued']);
  });

  test('several begin together when one ends', () => {
    const story = new Story().ask(['/a'], {}, 'm1').ask(['/a/b'], {}, 'm2').ask(['/a/c'], {}, 'm3').cleared('m1');
    expect(story.say({ type: 'commit', mutation: 'm1', fence: 1 })).toBe(
      'm1 committed, m2 snapshot_started, m3 snapshot_started',
    );
  });

  test('one in the queue goes away, and those behind it move up', () => {
    const story = new Story().ask(['/a'], {}, 'm1').ask(['/a', '/b'], {}, 'm2').ask(['/b'], {}, 'm3');
    expect(story.say({ type: 'holder_gone', mutation: 'm2' })).toBe('m2 cancelled, m3 snapshot_started');
  });

  test('a refused command still lets time do its work', () => {
    const story = new Story().ask(['/a'], {}, 'm1').ask(['/a'], { waitMs: 0 }, 'm2');
    expect(story.stage('m2')).toBe('denied');
  });
});

describe('a wait ends', () => {
  test('at once when none is allowed, naming who is in the way', () => {
    const story = new Story().ask(['/a'], {}, 'm1');
    story.ask(['/a/b'], { waitMs: 0 });
    expect(story.get().reason).toMatchObject({ code: 'lock_timeout', evidence: { blockedBy: ['m1'] } });
    expect(story.get().reason?.message).toContain('/a, held by mutation m1 of hauki-crm (snapshotting)');
  });

  test('not a moment early, and not late', () => {
    const story = new Story().ask(['/a'], {}, 'm1').ask(['/a'], { waitMs: 1_000 });
    expect(story.pass(999).say({ type: 'tick' })).toBe('-');
    expect(story.pass(1).say({ type: 'tick' })).toBe('denied');
  });

  test('when the turn and the end of the wait come together, the turn counts', () => {
    const story = new Story().ask(['/a'], {}, 'm1').cleared('m1').ask(['/a'], { waitMs: 1_000 });
    story.pass(1_000);
    expect(story.say({ type: 'commit', mutation: 'm1', fence: 1 })).toBe('m1 committed, snapshot_started');
  });

  test('the end of one wait lets the next begin', () => {
    const story = new Story()
      .ask(['/a'], {}, 'm1')
      .ask(['/a', '/b'], { waitMs: 10 }, 'm2')
      .ask(['/b'], { waitMs: 1_000 }, 'm3');
    expect(story.pass(10).say({ type: 'tick' })).toBe('m2 denied, m3 snapshot_started');
  });
});

describe('questions about locks', () => {
  test('who is in the way: holders, and those who came before', () => {
    const story = new Story().ask(['/a'], {}, 'm1').ask(['/a'], {}, 'm2').ask(['/a/b'], {}, 'm3').ask(['/a'], {}, 'm4');
    const open = [...story.state.mutations.values()];
    expect(inTheWayOf(story.get('m3'), open).map(({ id }) => id)).toEqual(['m1', 'm2']);
    expect(whoseTurn(open)).toEqual([]);
  });

  test('holders for people', () => {
    const story = new Story().ask(['/a'], {}, 'm1').ask(['/b'], {}, 'm2');
    const open = [...story.state.mutations.values()];
    expect(describeHolders(holdersOf({ datasets: [{ name: '/' }], mode: 'standard' }, open))).toBe(
      '/a, held by mutation m1 of hauki-crm (snapshotting) and 1 more',
    );
    expect(describeHolders([])).toBe('nothing');
    expect(holdersOf({ datasets: [{ name: '/a' }], mode: 'standard' }, open, 'm1')).toEqual([]);
  });

  test('a failed snapshot gives the locks to the next, once its rest is removed', () => {
    const story = new Story().ask(['/a']).ask(['/a'], {}, 'next');
    story.tell({ type: 'snapshot_answered', mutation: 'm', answer: { kind: 'refused', reason: TROUBLE } });
    expect(story.stage('next')).toBe('queued');
    expect(story.say({ type: 'withdraw_answered', mutation: 'm', answer: { kind: 'done', value: undefined } })).toBe(
      'denied, next snapshot_started',
    );
    expect(story.get().reason).toBe(TROUBLE);
  });
});
