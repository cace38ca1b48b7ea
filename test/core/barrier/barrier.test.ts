import { describe, expect, test } from 'vitest';

import { barriersWanted } from '../../../src/core/barrier/barrier.ts';
import { standing, Story } from '../story.ts';

const critical = { mode: 'critical' } as const;

describe('asking for a barrier', () => {
  test('halts every node of the mesh, and its epoch is the fencing token', () => {
    const story = new Story().withNodes('crm', 'web').ask(['/a'], critical);
    expect(story.get()).toMatchObject({ stage: 'halting', fence: 1, participants: ['crm', 'web'] });
  });

  test('does without those that are allowed to be missing, and those that were revoked', () => {
    const story = new Story().withNodes('crm', 'web', 'old');
    story.tell({ type: 'revoke', node: 'old' });
    story.ask(['/a'], { ...critical, allowMissing: ['web'] });
    expect(story.get().participants).toEqual(['crm']);
  });

  test('halts one whose certificate ran out as well: it may be at work', () => {
    const story = new Story().withNodes('crm');
    story
      .pass(29 * 86_400_000)
      .withNodes('web')
      .pass(2 * 86_400_000);
    story.ask(['/a'], critical);
    expect(story.get().participants).toEqual(['crm', 'web']);
  });

  test.each([
    ['nobody to halt', [], {}, 'mode_unsupported'],
    ['all allowed to be missing', ['crm'], { allowMissing: ['crm'] }, 'mode_unsupported'],
    ['a stranger allowed to be missing', ['crm'], { allowMissing: ['cmr'] }, 'node_unknown'],
  ])('is denied with %s', (_, nodes, more, code) => {
    const story = new Story().withNodes(...nodes).ask(['/a'], { ...critical, ...more });
    expect(story.get()).toMatchObject({ stage: 'denied', reason: { code } });
  });

  test('what only barriers have is denied in standard mode', () => {
    const story = new Story().withNodes('crm').ask(['/a'], { hold: true });
    expect(story.get().reason?.code).toBe('mode_unsupported');
  });

  test('is denied when its last node has gone while it waited', () => {
    const story = new Story().withNodes('crm').ask(['/a'], {}, 'first').ask(['/b'], critical);
    story.tell({ type: 'revoke', node: 'crm' });
    story.cleared('first').commit('first');
    expect(story.get()).toMatchObject({ stage: 'denied', reason: { code: 'mode_unsupported' } });
  });
});

describe('a barrier has its locks on everything', () => {
  test('it waits for whoever works anywhere, and nobody begins before it who asked after it', () => {
    const story = new Story().withNodes('crm').ask(['/a'], {}, 'first').ask(['/b'], critical).ask(['/c'], {}, 'late');
    expect([story.stage(), story.stage('late')]).toEqual(['queued', 'queued']);
    story.cleared('first').commit('first');
    expect([story.stage(), story.stage('late')]).toEqual(['halting', 'queued']);
    story.cleared().commit();
    expect(story.stage('late')).toBe('snapshotting');
  });

  test('two of them queue', () => {
    const story = new Story().withNodes('crm').ask(['/a'], critical).ask(['/b'], critical, 'next');
    expect(story.stage('next')).toBe('queued');
    story.cleared().commit();
    expect(story.get('next')).toMatchObject({ stage: 'halting', fence: 2 });
  });

  test('a seal cannot change under it', () => {
    const story = standing('halting');
    expect(story.say({ type: 'seal', dataset: { name: '/elsewhere', driver: 'memory' }, sealed: true })).toBe(
      '! dataset_busy',
    );
  });
});

describe('a barrier ends', () => {
  test('in a clearance: flushed, frozen, verified', () => {
    const story = standing('halting');
    const before = story.events.length;
    story.cleared();
    expect(story.events.slice(before).map(({ type }) => type)).toEqual([
      'flushed',
      'snapshot_started',
      'master_taken',
      'cleared',
    ]);
    expect(story.get()).toMatchObject({ fence: 1, stage: 'cleared' });
  });

  test('denied, and nothing stays of the snapshot', () => {
    const story = standing('verifying');
    const reason = { code: 'barrier_broken', message: 'crm was restarted', hint: '' } as const;
    story.tell({ type: 'verify_answered', mutation: 'm', answer: { kind: 'refused', reason } });
    expect(story.stage()).toBe('withdrawing');
    story.tell({ type: 'withdraw_answered', mutation: 'm', answer: { kind: 'done', value: undefined } });
    expect(story.get()).toMatchObject({ stage: 'denied', reason: { code: 'barrier_broken' } });
  });

  test.each(['halting', 'verifying'] as const)('with the controller that held it, when it was %s', (stage) => {
    const story = standing(stage);
    story.tell({ type: 'start', version: 'test', node: 'host' });
    expect(story.get()).toMatchObject({ stage: 'withdrawing', reason: { code: 'controller_restarted' } });
    expect(barriersWanted(story.state)).toEqual([]);
  });
});

describe('nodes are to stay halted', () => {
  const wanted = (story: Story): unknown => barriersWanted(story.state).map(({ epoch, revive }) => ({ epoch, revive }));

  test('until the snapshot is verified', () => {
    expect(wanted(standing('halting'))).toEqual([{ epoch: 1, revive: false }]);
    expect(wanted(standing('verifying'))).toEqual([{ epoch: 1, revive: false }]);
    expect(wanted(standing('verifying').cleared())).toEqual([]);
  });

  test('with hold until the mutation has ended, also over a restart, but not for a quarantine', () => {
    const held = (): Story => standing('halting', { hold: true }).cleared();
    expect(wanted(held())).toEqual([{ epoch: 1, revive: true }]);
    const restarted = held();
    restarted.tell({ type: 'start', version: 'test', node: 'host' });
    expect(wanted(restarted)).toEqual([{ epoch: 1, revive: true }]);
    expect(wanted(held().commit())).toEqual([]);

    const undone = held();
    undone.tell({ type: 'rollback', mutation: 'm', fence: 1 });
    expect(wanted(undone)).toEqual([{ epoch: 1, revive: true }]);
    const reason = { code: 'rollback_failed', message: 'no', hint: '' } as const;
    undone.tell({ type: 'rollback_answered', mutation: 'm', attempt: 1, answer: { kind: 'refused', reason } });
    expect(wanted(undone)).toEqual([]);
  });
});
