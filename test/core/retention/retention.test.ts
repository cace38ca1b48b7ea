import { describe, expect, test } from 'vitest';

import type { Stage } from '../../../src/core/mutation/mutation.ts';
import { type Candidate, condemn, DEFAULT_RETENTION } from '../../../src/core/retention/retention.ts';
import { pending } from '../../../src/core/pending.ts';
import { SLOW, standing, Story, T0, TROUBLE } from '../story.ts';

const DAY_MS = 86_400_000;
const KEEP = { committed: { countMax: 2, ageMsMax: 10 * DAY_MS }, failed: { countMax: 3, ageMsMax: 20 * DAY_MS } };

function candidate(
  mutation: string,
  stage: Stage | undefined,
  ageMs: number,
  more: Partial<Candidate['target']> = {},
  pinned = false,
): Candidate {
  const target = {
    kind: 'snapshot',
    mutation,
    dataset: '/a',
    driver: 'memory',
    name: `/a@PRE_${mutation}`,
    ...more,
  } as const;
  return { target, createdAt: T0 - ageMs, pinned, stage };
}

function going(...candidates: Candidate[]): string[] {
  return condemn(candidates, KEEP, T0).map(({ target }) => target.mutation);
}

describe('what retention lets go of', () => {
  test('beyond the count of a dataset, the oldest', () => {
    expect(
      going(candidate('old', 'committed', 3), candidate('new', 'committed', 1), candidate('mid', 'committed', 2)),
    ).toEqual(['old']);
  });

  test('counted for each dataset and kind on its own', () => {
    const others = [{ dataset: '/a' }, { dataset: '/b' }, { kind: 'evidence' as const }];
    expect(
      going(
        ...others.flatMap((more, index) => [
          candidate(`x${index}`, 'committed', 1, more),
          candidate(`y${index}`, 'committed', 2, more),
        ]),
      ),
    ).toEqual([]);
  });

  test('beyond the age', () => {
    expect(going(candidate('at', 'committed', 10 * DAY_MS), candidate('past', 'committed', 10 * DAY_MS + 1))).toEqual([
      'past',
    ]);
  });

  test('failed ones are kept longer, and do not count against the others', () => {
    const failed = (['rolled_back', 'denied', 'cancelled'] as const).map((stage) =>
      candidate(stage, stage, 15 * DAY_MS),
    );
    expect(going(...failed, candidate('new', 'committed', 0), candidate('newer', 'committed', 0))).toEqual([]);
    expect(going(...failed, candidate('fourth', 'rolled_back', 21 * DAY_MS))).toEqual(['fourth']);
  });

  test.each([
    'queued',
    'snapshotting',
    'cleared',
    'committing',
    'withdrawing',
    'rolling_back',
    'quarantined',
    undefined,
  ] as const)('never what is %s', (stage) => {
    expect(going(candidate('m', stage, 1_000 * DAY_MS))).toEqual([]);
  });

  test('never what is pinned; and it does not count', () => {
    const pinned = candidate('pinned', 'committed', 1_000 * DAY_MS, {}, true);
    expect(going(pinned, candidate('x', 'committed', 1), candidate('y', 'committed', 2))).toEqual([]);
  });

  test('says why', () => {
    const gone = condemn([candidate('m', 'committed', 31 * DAY_MS)], DEFAULT_RETENTION, T0);
    expect(gone[0]?.why).toBe('older than 30 days (committed)');
  });
});

describe('evidence that rests on a snapshot', () => {
  const OLD = 1_000 * DAY_MS;
  const rests = { kind: 'evidence', name: '/a@FAIL_m', restsOn: '/a@PRE_m' } as const;

  test.each([
    ['goes with it', candidate('m', 'rolled_back', OLD, rests), ['/a@PRE_m', '/a@FAIL_m']],
    ['keeps it, when it is younger', candidate('m', 'rolled_back', 1, rests), []],
    ['keeps it, when it is pinned', candidate('m', 'rolled_back', OLD, rests, true), []],
    ['keeps it, whatever it belongs to', candidate('other', undefined, OLD, rests), []],
    [
      'goes alone, when it rests on nothing',
      candidate('m', 'rolled_back', OLD, { ...rests, restsOn: '/b@PRE_x' }),
      ['/a@PRE_m', '/a@FAIL_m'],
    ],
  ])('%s', (_, evidence, expected) => {
    const gone = condemn([candidate('m', 'rolled_back', OLD), evidence], KEEP, T0);
    expect(gone.map(({ target }) => target.name)).toEqual(expected);
  });

  test('keeps it while the storage would not let it go', () => {
    const both = [candidate('m', 'rolled_back', OLD), candidate('m', 'rolled_back', OLD, rests)];
    const except = { going: () => false, staying: (name: string) => name === rests.name };
    expect(condemn(both, KEEP, T0, except)).toEqual([]);
  });

  test('lets it follow when it is going already', () => {
    const both = [candidate('m', 'rolled_back', OLD), candidate('m', 'rolled_back', OLD, rests)];
    const except = { going: (name: string) => name === rests.name, staying: () => false };
    expect(condemn(both, KEEP, T0, except).map(({ target }) => target.name)).toEqual(['/a@PRE_m']);
  });

  test.each([
    ['has gone', { kind: 'done', value: undefined } as const],
    ['was refused', { kind: 'refused', reason: TROUBLE } as const],
  ])('goes first; the snapshot when that %s', (_, answer) => {
    const story = new Story();
    const [snapshot, evidence] = [candidate('m', 'rolled_back', OLD), candidate('m', 'rolled_back', OLD, rests)];
    story.tell({ type: 'prune', candidates: [snapshot, evidence] });
    const names = (): string[] => pending(story.state).map(({ subject }) => subject);
    expect(names()).toEqual(['destroy /a@FAIL_m']);
    story.tell({ type: 'destroy_answered', target: evidence.target, answer });
    expect(names()).toEqual(['destroy /a@PRE_m']);
  });
});

describe('what the storage would not destroy', () => {
  const one = candidate('m', 'committed', 1_000 * DAY_MS);
  const refused = (story: Story): string => {
    story.tell({ type: 'prune', candidates: [one] });
    return story.say({ type: 'destroy_answered', target: one.target, answer: { kind: 'refused', reason: TROUBLE } });
  };

  test('is tried again once a day, and at once when a person asks', () => {
    const story = new Story();
    expect(refused(story)).toBe('destroy_refused');
    expect(story.pass(DAY_MS - 1).say({ type: 'prune', candidates: [one] })).toBe('-');
    expect(story.say({ type: 'prune', candidates: [one], insist: true })).toBe('destroy_started');
    story.tell({ type: 'destroy_answered', target: one.target, answer: { kind: 'refused', reason: TROUBLE } });
    expect(story.pass(DAY_MS - 1).say({ type: 'prune', candidates: [one] })).toBe('-');
    expect(story.pass(1).say({ type: 'prune', candidates: [one] })).toBe('destroy_started');
  });

  test('is remembered for a day, and not when it is gone', () => {
    const story = new Story();
    refused(story);
    expect([...story.state.stuck.keys()]).toEqual([one.target.name]);
    const other = candidate('other', 'committed', 1_000 * DAY_MS);
    story.pass(DAY_MS).tell({ type: 'prune', candidates: [other] });
    story.tell({ type: 'destroy_answered', target: other.target, answer: { kind: 'refused', reason: TROUBLE } });
    expect([...story.state.stuck.keys()]).toEqual([other.target.name]);
    story.tell({ type: 'destroy', target: other.target, why: 'asked for' });
    story.tell({ type: 'destroy_answered', target: other.target, answer: { kind: 'done', value: undefined } });
    expect(story.state.stuck.size).toBe(0);
  });
});

describe('pruning', () => {
  const ended = (): { story: Story; candidate: Candidate } => {
    const story = standing(
      'committed',
      {},
      new Story({ retention: { committed: { countMax: 0, ageMsMax: 0 }, failed: DEFAULT_RETENTION.failed } }),
    );
    const mutation = story.get();
    const name = mutation.snapshots[0]?.name ?? '';
    story.archive();
    return {
      story,
      candidate: {
        target: { ...candidate('m', 'committed', 1).target, name },
        createdAt: T0,
        pinned: false,
        stage: 'committed',
      },
    };
  };

  test('condemns, and the storage has the last word', () => {
    const { story, candidate: one } = ended();
    expect(story.say({ type: 'prune', candidates: [one] })).toBe('destroy_started');
    expect(pending(story.state)).toMatchObject([{ kind: 'destroy', target: one.target }]);
    expect(story.say({ type: 'prune', candidates: [one] })).toBe('-');
    expect(story.say({ type: 'destroy_answered', target: one.target, answer: { kind: 'unknown', reason: SLOW } })).toBe(
      '-',
    );
    expect(pending(story.state)).toHaveLength(1);
    expect(
      story.say({ type: 'destroy_answered', target: one.target, answer: { kind: 'done', value: undefined } }),
    ).toBe('destroyed');
    expect(pending(story.state)).toEqual([]);
  });

  test('is not tried again for ever when the storage refuses', () => {
    const { story, candidate: one } = ended();
    story.tell({ type: 'prune', candidates: [one] });
    expect(
      story.say({ type: 'destroy_answered', target: one.target, answer: { kind: 'refused', reason: TROUBLE } }),
    ).toBe('destroy_refused');
    expect(pending(story.state)).toEqual([]);
  });

  test('spares what was pinned after the candidates were gathered', () => {
    const { story, candidate: one } = ended();
    const pinned = { ...standing('committed').get(), pinned: true };
    expect(story.say({ type: 'prune', candidates: [one] }, { owners: new Map([['m', pinned]]) })).toBe('-');
  });

  test('spares what the ledger no longer calls ended, or never knew', () => {
    const { story, candidate: one } = ended();
    expect(
      story.say({ type: 'prune', candidates: [one] }, { owners: new Map([['m', standing('quarantined').get()]]) }),
    ).toBe('-');
    expect(story.say({ type: 'prune', candidates: [one] }, { owners: new Map() })).toBe('-');
  });

  test('spares what is open again: an undo needs it', () => {
    const story = standing(
      'committed',
      {},
      new Story({ retention: { committed: { countMax: 0, ageMsMax: 0 }, failed: DEFAULT_RETENTION.failed } }),
    );
    story.tell({ type: 'rollback', mutation: 'm' });
    expect(story.say({ type: 'prune', candidates: [candidate('m', 'committed', 1)] })).toBe('-');
  });
});

describe('destroying by name', () => {
  const target = candidate('m', 'committed', 1).target;
  test('twice is once', () => {
    const story = standing('committed');
    expect(story.say({ type: 'destroy', target, why: 'old' })).toBe('destroy_started');
    expect(story.say({ type: 'destroy', target, why: 'old' })).toBe('-');
  });

  test('is refused for what is pinned', () => {
    const story = standing('committed');
    story.tell({ type: 'pin', mutation: 'm', pinned: true });
    expect(story.say({ type: 'destroy', target, why: 'old' })).toBe('! snapshot_kept');
    story.tell({ type: 'pin', mutation: 'm', pinned: false });
    expect(story.say({ type: 'destroy', target, why: 'old' })).toBe('destroy_started');
  });
});

describe('a pin', () => {
  test('promises only what is still there', () => {
    const story = standing('committed');
    const name = story.get().snapshots[0]?.name ?? '';
    expect(story.say({ type: 'pin', mutation: 'm', pinned: true }, { destroyed: [name] })).toBe('! snapshot_gone');
    story.tell({ type: 'destroy', target: { ...candidate('m', 'committed', 1).target, name }, why: 'old' });
    expect(story.say({ type: 'pin', mutation: 'm', pinned: true })).toBe('! snapshot_gone');
  });

  test('waits until what is going is gone, evidence too', () => {
    const story = standing('rolled_back');
    const evidence = { kind: 'evidence', mutation: 'm', dataset: '/a', driver: 'memory', name: '/a@FAIL_x' } as const;
    story.tell({ type: 'destroy', target: evidence, why: 'asked for' });
    expect(story.say({ type: 'pin', mutation: 'm', pinned: true })).toBe('! snapshot_gone');
    story.tell({ type: 'destroy_answered', target: evidence, answer: { kind: 'done', value: undefined } });
    expect(story.say({ type: 'pin', mutation: 'm', pinned: true })).toBe('pinned');
  });

  test('can be taken off whatever is left', () => {
    const story = standing('committed');
    story.tell({ type: 'pin', mutation: 'm', pinned: true });
    expect(
      story.say(
        { type: 'pin', mutation: 'm', pinned: false },
        { destroyed: story.get().snapshots.map(({ name }) => name) },
      ),
    ).toBe('pinned');
  });
});
