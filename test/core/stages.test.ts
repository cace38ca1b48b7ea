import { describe, expect, test } from 'vitest';

import type { CommandBody } from '../../src/core/command.ts';
import { isFinal, type Stage } from '../../src/core/mutation/mutation.ts';
import { SLOW, standing, TROUBLE } from './story.ts';

const done = { kind: 'done', value: undefined } as const;
const target = {
  kind: 'snapshot',
  mutation: 'm',
  dataset: '/srv/site',
  driver: 'memory',
  name: '/srv/site@PRE_x',
} as const;

/** Every command about a mutation, with the right fence (1) unless it says otherwise. */
const COMMANDS = {
  renew: { type: 'renew', mutation: 'm', fence: 1 },
  'renew, stale fence': { type: 'renew', mutation: 'm', fence: 0 },
  attach: { type: 'attach', mutation: 'm', fence: 1 },
  'attach, stale fence': { type: 'attach', mutation: 'm', fence: 7 },
  'holder gone': { type: 'holder_gone', mutation: 'm' },
  commit: { type: 'commit', mutation: 'm', fence: 1 },
  'commit, stale fence': { type: 'commit', mutation: 'm', fence: 0 },
  rollback: { type: 'rollback', mutation: 'm', fence: 1 },
  'rollback, stale fence': { type: 'rollback', mutation: 'm', fence: 0 },
  'operator: rollback': { type: 'rollback', mutation: 'm' },
  'resolve commit': { type: 'resolve', mutation: 'm', choice: 'commit' },
  'resolve rollback': { type: 'resolve', mutation: 'm', choice: 'rollback' },
  pin: { type: 'pin', mutation: 'm', pinned: true },
  unpin: { type: 'pin', mutation: 'm', pinned: false },
  destroy: { type: 'destroy', target, why: 'asked for' },
  'snapshot refused': { type: 'snapshot_answered', mutation: 'm', answer: { kind: 'refused', reason: TROUBLE } },
  'snapshot unknown': { type: 'snapshot_answered', mutation: 'm', answer: { kind: 'unknown', reason: SLOW } },
  'snapshot not there': { type: 'snapshot_answered', mutation: 'm', answer: { kind: 'done', value: [] } },
  'halt done': {
    type: 'halt_answered',
    mutation: 'm',
    answer: {
      kind: 'done',
      value: [
        { node: 'crm', tookMs: 5 },
        { node: 'web', tookMs: 7 },
      ],
    },
  },
  'halt done, one node silent': {
    type: 'halt_answered',
    mutation: 'm',
    answer: { kind: 'done', value: [{ node: 'crm', tookMs: 5 }] },
  },
  'halt refused': { type: 'halt_answered', mutation: 'm', answer: { kind: 'refused', reason: TROUBLE } },
  'halt unknown': { type: 'halt_answered', mutation: 'm', answer: { kind: 'unknown', reason: SLOW } },
  'verify done': { type: 'verify_answered', mutation: 'm', answer: done },
  'verify refused': { type: 'verify_answered', mutation: 'm', answer: { kind: 'refused', reason: TROUBLE } },
  'verify unknown': { type: 'verify_answered', mutation: 'm', answer: { kind: 'unknown', reason: SLOW } },
  'withdraw done': { type: 'withdraw_answered', mutation: 'm', answer: done },
  'withdraw unknown': { type: 'withdraw_answered', mutation: 'm', answer: { kind: 'unknown', reason: SLOW } },
  'commit done': { type: 'commit_answered', mutation: 'm', answer: done },
  'commit unknown': { type: 'commit_answered', mutation: 'm', answer: { kind: 'unknown', reason: SLOW } },
  'rollback done': { type: 'rollback_answered', mutation: 'm', attempt: 1, answer: { kind: 'done', value: [] } },
  'rollback refused': {
    type: 'rollback_answered',
    mutation: 'm',
    attempt: 1,
    answer: { kind: 'refused', reason: TROUBLE },
  },
  'rollback of another attempt done': {
    type: 'rollback_answered',
    mutation: 'm',
    attempt: 2,
    answer: { kind: 'done', value: [] },
  },
  tick: { type: 'tick' },
} as const satisfies Record<string, CommandBody>;

type Table = Readonly<Record<keyof typeof COMMANDS, string>>;

/** What is the answer to everything that comes too late, or too early. */
const NEITHER: Table = {
  renew: '! lease_lost',
  'renew, stale fence': '! fence_stale',
  attach: '! lease_lost',
  'attach, stale fence': '! fence_stale',
  'holder gone': '-',
  commit: '! lease_lost',
  'commit, stale fence': '! fence_stale',
  rollback: '! lease_lost',
  'rollback, stale fence': '! fence_stale',
  'operator: rollback': '! stage_wrong',
  'resolve commit': '! stage_wrong',
  'resolve rollback': '! stage_wrong',
  pin: 'pinned',
  unpin: '-',
  destroy: '! snapshot_kept',
  'snapshot refused': '-',
  'snapshot unknown': '-',
  'snapshot not there': '-',
  'halt done': '-',
  'halt done, one node silent': '-',
  'halt refused': '-',
  'halt unknown': '-',
  'verify done': '-',
  'verify refused': '-',
  'verify unknown': '-',
  'withdraw done': '-',
  'withdraw unknown': '-',
  'commit done': '-',
  'commit unknown': '-',
  'rollback done': '-',
  'rollback refused': '-',
  'rollback of another attempt done': '-',
  tick: '-',
};

/** It never held a lease, so there is no token to be right about. */
const FENCELESS = {
  renew: '! fence_stale',
  attach: '! fence_stale',
  commit: '! fence_stale',
  rollback: '! fence_stale',
};
const FINAL = { destroy: 'destroy_started' };

const STAGES: Readonly<Record<Stage, Table>> = {
  queued: { ...NEITHER, ...FENCELESS, 'holder gone': 'cancelled', 'operator: rollback': 'cancelled' },
  snapshotting: {
    ...NEITHER,
    'holder gone': 'withdraw_started',
    'operator: rollback': 'withdraw_started',
    'snapshot refused': 'withdraw_started',
    'snapshot unknown': 'withdraw_started',
    'snapshot not there': 'withdraw_started',
  },
  halting: {
    ...NEITHER,
    'holder gone': 'withdraw_started',
    'operator: rollback': 'withdraw_started',
    'halt done': 'flushed, snapshot_started',
    'halt done, one node silent': 'withdraw_started',
    'halt refused': 'withdraw_started',
    'halt unknown': 'withdraw_started',
  },
  verifying: {
    ...NEITHER,
    'holder gone': 'withdraw_started',
    'operator: rollback': 'withdraw_started',
    'verify done': 'cleared',
    'verify refused': 'withdraw_started',
    'verify unknown': 'withdraw_started',
  },
  withdrawing: { ...NEITHER, 'withdraw done': 'cancelled' },
  cleared: {
    ...NEITHER,
    renew: 'renewed',
    attach: '-',
    'holder gone': 'rollback_started',
    commit: 'committed',
    rollback: 'rollback_started',
    'operator: rollback': 'rollback_started',
  },
  committing: {
    ...NEITHER,
    commit: '-',
    'commit done': 'committed',
    'commit unknown': 'quarantined',
    'rollback done': 'rolled_back',
  },
  rolling_back: { ...NEITHER, rollback: '-', 'rollback done': 'rolled_back', 'rollback refused': 'quarantined' },
  quarantined: {
    ...NEITHER,
    'resolve commit': 'commit_started',
    'resolve rollback': 'rollback_started',
    'rollback done': 'rolled_back',
    'rollback refused': 'quarantined',
  },
  committed: { ...NEITHER, ...FINAL, commit: '-', 'operator: rollback': 'rollback_started' },
  rolled_back: { ...NEITHER, ...FINAL, rollback: '-' },
  denied: { ...NEITHER, ...FINAL, ...FENCELESS },
  cancelled: { ...NEITHER, ...FINAL, ...FENCELESS },
};

describe.each(Object.entries(STAGES) as [Stage, Table][])('%s', (stage, table) => {
  test.each(Object.entries(table) as [keyof typeof COMMANDS, string][])('%s → %s', (name, expected) => {
    const story = standing(stage);
    expect(story.stage()).toBe(stage);
    expect(story.say(COMMANDS[name])).toBe(expected);
  });
});

test('only an undo leads out of a final stage', () => {
  const leaving = Object.keys(COMMANDS).flatMap((name) =>
    (Object.keys(STAGES) as Stage[])
      .filter((stage) => isFinal({ stage }))
      .filter((stage) => {
        const story = standing(stage);
        story.tell(COMMANDS[name as keyof typeof COMMANDS]);
        return story.stage() !== stage;
      })
      .map((stage) => `${stage}: ${name}`),
  );
  expect(leaving).toEqual(['committed: operator: rollback']);
});

test.each(Object.values(COMMANDS).filter((command) => 'mutation' in command && !command.type.endsWith('_answered')))(
  'about a mutation nobody knows: $type',
  (command) => {
    const story = standing('cleared');
    expect(story.say({ ...command, mutation: 'nobody' } as CommandBody)).toBe('! mutation_unknown');
  },
);

test.each(Object.values(COMMANDS).filter((command) => command.type.endsWith('_answered')))(
  'an answer about a mutation nobody knows changes nothing: $type',
  (command) => {
    expect(standing('cleared').say({ ...command, mutation: 'nobody' } as CommandBody)).toBe('-');
  },
);
