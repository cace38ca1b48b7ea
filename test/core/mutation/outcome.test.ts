import { describe, expect, test } from 'vitest';

import { refusal } from '../../../src/base/refusal.ts';
import type { CommandBody } from '../../../src/core/command.ts';
import { pending } from '../../../src/core/pending.ts';
import { SLOW, standing, Story, TROUBLE } from '../story.ts';

const UNDO = { type: 'rollback', mutation: 'm' } as const;
const EVIDENCE = { dataset: '/srv/site', driver: 'memory', name: 'FAIL', path: '/e' } as const;
const answered = (attempt: number, kind: 'done' | 'refused' | 'unknown'): CommandBody => ({
  type: 'rollback_answered',
  mutation: 'm',
  attempt,
  answer: kind === 'done' ? { kind, value: [EVIDENCE] } : { kind, reason: TROUBLE },
});

describe('a rollback', () => {
  test('says who began it, and why', () => {
    const story = standing('cleared');
    const reason = refusal('holder_gone', 'Exit code 3.');
    story.tell({ type: 'rollback', mutation: 'm', fence: 1, reason });
    expect(story.events.at(-1)).toMatchObject({ type: 'rollback_started', by: 'holder', attempt: 1, reason });
    expect(standing('rolling_back').events.at(-1)).toMatchObject({ by: 'operator' });
  });

  test('keeps the evidence of every attempt', () => {
    const story = standing('quarantined');
    story.tell({ type: 'resolve', mutation: 'm', choice: 'rollback' });
    story.tell(answered(2, 'done'));
    expect(story.get()).toMatchObject({ stage: 'rolled_back', attempt: 2, evidence: [{ name: 'FAIL' }] });
  });

  test('whose outcome is unknown is no failure and no success: quarantined, until the answer comes after all', () => {
    const story = standing('rolling_back');
    expect(story.say(answered(1, 'unknown'))).toBe('quarantined');
    expect(story.say(answered(1, 'done'))).toBe('rolled_back');
  });

  test('that ends after a person resolved to roll back again is not the one they wait for', () => {
    const story = standing('quarantined');
    story.tell({ type: 'resolve', mutation: 'm', choice: 'rollback' });
    expect(story.say(answered(1, 'done'))).toBe('-');
    expect(story.stage()).toBe('rolling_back');
  });

  test('that ends after a person resolved to commit has undone the change all the same', () => {
    const story = standing('committing');
    expect(story.say(answered(1, 'done'))).toBe('rolled_back');
  });

  test('that fails after a person resolved to commit changes nothing', () => {
    const story = standing('committing');
    expect(story.say(answered(1, 'refused'))).toBe('-');
    expect(story.stage()).toBe('committing');
  });
});

describe('resolving to commit', () => {
  test('gives the locks away only when the holder was stopped', () => {
    const story = standing('quarantined').ask(['/srv/site'], {}, 'next');
    expect(story.say({ type: 'resolve', mutation: 'm', choice: 'commit' })).toBe('commit_started');
    expect(pending(story.state)).toMatchObject([{ kind: 'commit', stop: true, subject: 'm' }]);
    expect(story.stage('next')).toBe('queued');
    expect(story.say({ type: 'commit_answered', mutation: 'm', answer: { kind: 'done', value: undefined } })).toBe(
      'committed, next snapshot_started',
    );
    expect(story.get().reason).toBeUndefined();
  });

  test('quarantines again when the holder cannot be stopped', () => {
    const story = standing('committing');
    const reason = refusal('holder_unstoppable', 'Process 1 would not go.');
    expect(story.say({ type: 'commit_answered', mutation: 'm', answer: { kind: 'refused', reason } })).toBe(
      'quarantined',
    );
    expect(story.get().reason).toBe(reason);
  });

  test('of a lease that ran out works the same way', () => {
    const story = standing('cleared', { onExpiry: 'quarantine', ttlMs: 1_000 }).pass(3_000);
    story.tell({ type: 'tick' });
    expect(story.say({ type: 'resolve', mutation: 'm', choice: 'commit' })).toBe('commit_started');
    expect(pending(story.state)).toMatchObject([{ kind: 'commit', stop: true }]);
  });
});

describe('undoing what was committed', () => {
  test('takes the locks again', () => {
    const story = standing('committed').ask(['/srv'], {}, 'next');
    story.tell({ type: 'holder_gone', mutation: 'next' });
    story.tell({ type: 'withdraw_answered', mutation: 'next', answer: { kind: 'done', value: undefined } });
    expect(story.say(UNDO)).toBe('rollback_started');
    expect(story.ask(['/srv/site'], {}, 'later').stage('later')).toBe('queued');
    expect(story.say(answered(1, 'done'))).toBe('rolled_back, later snapshot_started');
  });

  test('is refused while somebody is at work on the same, naming them', () => {
    const story = standing('committed').ask(['/srv/site/part'], {}, 'busy');
    expect(story.tell(UNDO).refused).toMatchObject({ code: 'dataset_busy', evidence: { blockedBy: ['busy'] } });
  });

  test('is refused when something newer stands on it, naming that', () => {
    const story = standing('committed').ask(['/srv'], {}, 'newer').cleared('newer').commit('newer');
    expect(story.tell(UNDO, { newer: [story.get('newer')] }).refused).toMatchObject({
      code: 'newer_mutations',
      evidence: { newer: ['newer'] },
    });
  });

  test('is not hindered by something newer that was undone, or never was', () => {
    const story = standing('committed');
    const newer = (['rolled_back', 'denied', 'cancelled'] as const).map((stage) => ({
      ...story.get(),
      stage,
      id: stage,
    }));
    expect(story.say(UNDO, { newer })).toBe('rollback_started');
  });

  test('is refused when its snapshot was destroyed', () => {
    const story = standing('committed');
    const destroyed = story.get().snapshots.map(({ name }) => name);
    expect(story.tell(UNDO, { destroyed }).refused).toMatchObject({
      code: 'snapshot_gone',
      evidence: { snapshots: destroyed },
    });
  });

  test('is refused while its snapshot is being destroyed', () => {
    const story = standing('committed');
    const [snapshot] = story.get().snapshots;
    const target = {
      kind: 'snapshot',
      mutation: 'm',
      dataset: '/srv/site',
      driver: 'memory',
      name: snapshot?.name ?? '',
    } as const;
    story.tell({ type: 'destroy', target, why: 'old' });
    expect(story.say(UNDO)).toBe('! snapshot_gone');
    story.tell({ type: 'destroy_answered', target, answer: { kind: 'refused', reason: TROUBLE } });
    expect(story.say(UNDO)).toBe('rollback_started');
  });

  test('that fails is quarantined, and can be taken back', () => {
    const story = standing('committed');
    story.tell(UNDO);
    expect(story.say(answered(1, 'refused'))).toBe('quarantined');
    story.tell({ type: 'resolve', mutation: 'm', choice: 'commit' });
    story.tell({ type: 'commit_answered', mutation: 'm', answer: { kind: 'done', value: undefined } });
    expect(story.stage()).toBe('committed');
  });

  test('makes its fence worthless', () => {
    const story = standing('committed');
    story.tell(UNDO);
    expect(story.say({ type: 'commit', mutation: 'm', fence: 1 })).toBe('! lease_lost');
  });
});

test('a commit that cannot close its seals is for a person to look at', () => {
  const story = new Story();
  story.tell({ type: 'seal', dataset: { name: '/a', driver: 'memory' }, sealed: true });
  story.tell({
    type: 'seal_answered',
    dataset: { name: '/a', driver: 'memory' },
    sealed: true,
    answer: { kind: 'done', value: undefined },
  });
  story.ask(['/a']).cleared();
  expect(story.say({ type: 'commit', mutation: 'm', fence: 1 })).toBe('commit_started');
  expect(story.say({ type: 'commit', mutation: 'm', fence: 1 })).toBe('-');
  expect(pending(story.state)).toMatchObject([{ kind: 'commit', stop: false, close: [{ name: '/a' }] }]);
  expect(story.say({ type: 'commit_answered', mutation: 'm', answer: { kind: 'unknown', reason: SLOW } })).toBe(
    'quarantined',
  );
});
