import { describe, expect, test } from 'vitest';

import type { Event } from '../../../src/core/event.ts';
import { evolve } from '../../../src/core/evolve.ts';
import { pending } from '../../../src/core/pending.ts';
import { rebuild } from '../../../src/core/rebuild/rebuild.ts';
import type { Remnant } from '../../../src/core/rebuild/remnant.ts';
import { evidenceName, snapshotName } from '../../../src/core/snapshot/name.ts';
import { EMPTY, type State } from '../../../src/core/state.ts';
import { T0 } from '../story.ts';

const NOWHERE = new Map<string, string>();

/** The snapshot of mutation `id`, the `fence`th of its mesh. */
function pre(id: string, fence: number, more: Partial<Remnant> = {}): Remnant {
  const dataset = more.dataset ?? '/a';
  const named = snapshotName({ dataset, node: 'n', intent: id, at: T0 + fence });
  return {
    kind: 'snapshot',
    driver: 'memory',
    dataset,
    name: named.ok ? named.value : '',
    guid: `guid ${id}`,
    // Storages that count in seconds.
    createdAt: T0,
    mutation: id,
    node: 'n',
    intent: `the intent of ${id}`,
    mode: 'standard',
    fence,
    ...more,
  };
}

function fail(of: Remnant, attempt = 1, more: Partial<Remnant> = {}): Remnant {
  return { ...of, kind: 'evidence', name: evidenceName(of.name, attempt), path: `/kept/${attempt}`, ...more };
}

function stages(...remnants: Remnant[]): string[] {
  return rebuild(remnants, NOWHERE).mutations.map(({ mutation, stage }) => `${mutation} ${stage}`);
}

function stateAfter(...remnants: Remnant[]): State {
  const { mutations } = rebuild(remnants, NOWHERE);
  return evolve(
    EMPTY,
    mutations.map((body): Event => ({ at: T0 + 1_000_000, mono: 0, ...body })),
  );
}

describe('how it ended', () => {
  test.each([
    ['what the storage was told', [pre('m1', 1, { outcome: 'committed' })], ['m1 committed']],
    ['told, whatever else is there', [pre('m1', 1, { outcome: 'committed' }), fail(pre('m1', 1))], ['m1 committed']],
    [
      'rolled back, as told',
      [pre('m1', 1, { outcome: 'rolled_back' }), pre('m2', 2)],
      ['m1 rolled_back', 'm2 quarantined'],
    ],
    [
      'evidence tells of a rollback, that it ended who got the locks later',
      [pre('m1', 1), fail(pre('m1', 1)), pre('m2', 2)],
      ['m1 rolled_back', 'm2 quarantined'],
    ],
    ['evidence is kept before anything goes back', [pre('m1', 1), fail(pre('m1', 1))], ['m1 quarantined']],
    [
      'evidence of a part tells of a part',
      [pre('m1', 1), pre('m1', 1, { dataset: '/b' }), fail(pre('m1', 1)), pre('m2', 2)],
      ['m1 quarantined', 'm2 quarantined'],
    ],
    ['one that got the locks later proves an end', [pre('m2', 2), pre('m1', 1)], ['m1 committed', 'm2 quarantined']],
    [
      'also on a dataset around it',
      [pre('m1', 1, { dataset: '/a/b' }), pre('m2', 2)],
      ['m1 committed', 'm2 quarantined'],
    ],
    ['not on another', [pre('m1', 1, { dataset: '/b' }), pre('m2', 2)], ['m1 quarantined', 'm2 quarantined']],
    ['not one of the same mutation', [pre('m1', 1), pre('m1', 1, { dataset: '/b' })], ['m1 quarantined']],
    ['nobody knows of the newest', [pre('m1', 1)], ['m1 quarantined']],
  ])('%s', (_, remnants, expected) => {
    expect(stages(...remnants)).toEqual(expected);
  });

  test('is presumed where nobody wrote it down, and says so', () => {
    const [first, second] = rebuild([pre('m1', 1), pre('m2', 2)], NOWHERE).mutations;
    expect(first?.reason?.code).toBe('outcome_unknown');
    expect(first?.reason?.message).toContain('m2');
    expect(second?.reason?.hint).toContain('hauki resolve');
    const [told] = rebuild([pre('m1', 1, { outcome: 'committed' })], NOWHERE).mutations;
    expect(told && 'reason' in told).toBe(false);
  });

  test('is seen by place where names cannot tell', () => {
    const pool = pre('m1', 1, { dataset: 'tank/a', driver: 'zfs' });
    const inside = pre('m2', 2, { dataset: '/srv/a/sub', driver: 'directory' });
    const seen = rebuild([pool, inside], new Map([['tank/a', '/srv/a']])).mutations;
    expect(seen.map(({ stage }) => stage)).toEqual(['committed', 'quarantined']);
    expect(seen[0]?.request.datasets).toEqual([{ name: 'tank/a', driver: 'zfs', at: '/srv/a' }]);
    expect(stages(pool, inside)).toEqual(['m1 quarantined', 'm2 quarantined']);
  });
});

describe('what comes back', () => {
  test('is the mutation as the storage has it', () => {
    const state = stateAfter(pre('m1', 7), fail(pre('m1', 7), 1), fail(pre('m1', 7), 3), pre('m2', 8));
    expect(state.mutations.get('m1')).toMatchObject({
      id: 'm1',
      stage: 'rolled_back',
      node: 'n',
      intent: 'the intent of m1',
      fence: 7,
      requestedAt: T0 + 7,
      clearedAt: T0 + 7,
      attempt: 3,
      evidence: [{ path: '/kept/1' }, { path: '/kept/3' }],
      pinned: false,
      rebuilt: true,
    });
    expect(state.counters).toEqual({ fence: 8, namedAt: T0 + 8, at: T0 + 1_000_000 });
  });

  test('stands in the order of the names, which know more than a clock that was set back', () => {
    const remnants = [pre('m3', 3, { createdAt: T0 - 5_000 }), pre('m2', 2), pre('m1', 1, { createdAt: T0 + 900 })];
    expect(stages(...remnants)).toEqual(['m1 committed', 'm2 committed', 'm3 quarantined']);
  });

  test('with a name of no meaning stands where its creation puts it', () => {
    expect(stages(pre('m1', 1), pre('m2', 2, { name: '/a@renamed', createdAt: T0 - 1 }))).toEqual([
      'm2 committed',
      'm1 quarantined',
    ]);
  });

  test('of a recursive one: those named, then those inside', () => {
    const [one] = rebuild(
      [pre('m', 1, { dataset: '/a/b' }), pre('m', 1), pre('m', 1, { dataset: '/z' })],
      NOWHERE,
    ).mutations;
    expect(one?.request).toMatchObject({ recursive: true, datasets: [{ name: '/a' }, { name: '/z' }] });
    expect(one?.snapshots.map(({ dataset }) => dataset)).toEqual(['/a', '/z', '/a/b']);
  });

  test('has its holder stopped, should it still be at work', () => {
    expect(pending(stateAfter(pre('m1', 1)))).toMatchObject([{ kind: 'stop', subject: 'm1' }]);
  });
});

describe('what cannot be taken for hauki’s own', () => {
  const sound = pre('m1', 1);
  test.each([
    ['no mutation', { mutation: '' }],
    ['a mutation of endless length', { mutation: 'm'.repeat(65) }],
    ['no node', { node: '' }],
    ['an unknown mode', { mode: 'turbo' as never }],
    ['no fence', { fence: Number.NaN }],
    ['a fence nobody counts to', { fence: 2 ** 60 }],
    ['no time', { createdAt: Number.NaN }],
    ['what was denied', { outcome: 'denied' as const }],
  ])('%s is skipped and named', (_, more) => {
    const odd = pre('m2', 2, { name: '/a@odd', ...more });
    const { mutations, skipped } = rebuild([sound, odd], NOWHERE);
    expect(mutations.map(({ mutation }) => mutation)).toEqual(['m1']);
    expect(skipped).toMatchObject([{ name: '/a@odd' }]);
  });

  test('evidence without its snapshot is skipped and named', () => {
    const alone = fail(pre('m2', 2));
    const beside = fail(pre('m1', 1, { dataset: '/b' }));
    const { mutations, skipped } = rebuild([sound, alone, beside], NOWHERE);
    expect(mutations).toMatchObject([{ mutation: 'm1', stage: 'quarantined', evidence: [] }]);
    expect(skipped.map(({ name }) => name).toSorted()).toEqual([alone.name, beside.name].toSorted());
  });

  test('a second snapshot of the same dataset is skipped and named', () => {
    const copy = pre('m1', 1, { name: '/a@PRE_copy', createdAt: T0 + 5 });
    expect(rebuild([copy, sound], NOWHERE)).toMatchObject({
      mutations: [{ snapshots: [{ name: sound.name }] }],
      skipped: [{ name: '/a@PRE_copy' }],
    });
  });

  test('nothing is nothing', () => {
    expect(rebuild([], NOWHERE)).toEqual({ mutations: [], skipped: [] });
  });
});
