import { describe, expect, test } from 'vitest';

import type { Refusal } from '../../src/base/refusal.ts';
import type { Result } from '../../src/base/result.ts';
import type { Mutation } from '../../src/core/mutation/mutation.ts';
import { decide } from '../../src/core/decide.ts';
import { asking } from '../core/story.ts';
import { decided, gate, Place, request } from './place.ts';

type Answer = Result<Mutation | undefined, Refusal>;

/** In short: the stage of the mutation, or the code of the refusal. */
function said(answer: Answer): string {
  return answer.ok ? (answer.value?.stage ?? 'done') : answer.error.code;
}

/** Cleared as `m1` on /a. */
async function cleared(place: Place, more = {}): Promise<Awaited<ReturnType<Place['start']>>> {
  const engine = await place.start();
  const answer = engine.submit(request(['/a'], more), decided);
  await place.clock.pass(0);
  expect(said(await answer)).toBe('cleared');
  return engine;
}

describe('the loop', () => {
  test('records, then acts, then answers', async () => {
    const place = new Place();
    const engine = await place.start();
    const heard: string[] = [];
    engine.feed.subscribe(({ event }) => heard.push(event.type));
    const answer = engine.submit(request(['/a']), decided);
    await place.clock.pass(0);
    expect(said(await answer)).toBe('cleared');
    const commit = engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    await place.clock.pass(0);
    expect(said(await commit)).toBe('committed');
    expect(place.story('m1')).toEqual(['requested', 'snapshot_started', 'cleared', 'committed']);
    expect(heard).toEqual(place.story('m1'));
    expect(engine.idle).toBe(true);
    expect((await engine.find('m1'))?.stage).toBe('committed');
  });

  test('nothing is attempted before the ledger has it', async () => {
    const place = new Place();
    const engine = await place.start();
    place.full = true;
    const answer = engine.submit(request(['/a']), decided);
    await place.clock.pass(5_000);
    expect(said(await answer)).toBe('ledger_unavailable');
    expect(place.calls).toEqual([]);
    expect(engine.idle).toBe(true);
  });

  test('two requests with one Idempotency-Key in one batch are one mutation', async () => {
    const place = new Place();
    const engine = await place.start();
    const keyed = { key: 'k', keyDigest: 'd' };
    const answers = [
      engine.submit(request(['/a'], keyed, 'm1'), decided),
      engine.submit(request(['/a'], keyed, 'm2'), decided),
      engine.submit(request(['/b'], { key: 'k', keyDigest: 'another' }, 'm3'), decided),
    ];
    await place.clock.pass(0);
    const [one, two, three] = await Promise.all(answers);
    expect(one).toEqual(two);
    expect(three && said(three)).toBe('idempotency_mismatch');
    expect(place.calls).toEqual([{ name: 'snapshot', about: 'm1' }]);
  });

  test('an Idempotency-Key is known long after its mutation ended, and after a restart', async () => {
    const place = new Place();
    const keyed = { key: 'k', keyDigest: 'd' };
    const engine = await cleared(place, keyed);
    void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    await place.clock.pass(0);
    const next = await place.start();
    const answer = next.submit(request(['/a'], keyed, 'm2'), decided);
    await place.clock.pass(0);
    expect(await answer).toMatchObject({ ok: true, value: { id: 'm1', stage: 'committed' } });
  });

  test('a full inbox refuses at once', async () => {
    const place = new Place();
    const engine = await place.start();
    const answers = Array.from({ length: 8_193 }, () =>
      engine.submit({ type: 'pin', mutation: 'nobody', pinned: true }),
    );
    expect(said((await answers.at(-1)) as Answer)).toBe('overloaded');
    engine.tell({ type: 'holder_gone', mutation: 'nobody' });
    await place.clock.pass(0);
    expect(said((await answers[0]) as Answer)).toBe('mutation_unknown');
  });

  test('a defect in one decision spares the others of its batch', async () => {
    const place = new Place();
    const engine = await place.start({
      decide: (state, command, policy) => {
        if (command.type === 'pin') throw new TypeError('a defect');
        return decide(state, command, policy);
      },
    });
    const answers = [
      engine.submit({ type: 'pin', mutation: 'm1', pinned: true }),
      engine.submit(request(['/a']), decided),
    ];
    await place.clock.pass(0);
    expect((await Promise.all(answers)).map(said)).toEqual(['internal', 'cleared']);
    expect(place.errors).toEqual(['a decision failed']);
  });

  test('a listener that fails spares the other listeners and the loop', async () => {
    const place = new Place();
    const engine = await place.start();
    const heard: string[] = [];
    engine.feed.subscribe(() => {
      throw new Error('a defect');
    });
    const end = engine.feed.subscribe(({ event }) => heard.push(event.type));
    void engine.submit(request(['/a']));
    await place.clock.pass(0);
    end();
    const commit = engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    await place.clock.pass(0);
    expect(said(await commit)).toBe('committed');
    expect(heard).toEqual(['requested', 'snapshot_started', 'cleared']);
    expect(place.errors).toContain('a listener failed');
  });

  test('everybody who waits for a mutation is told, each when it is what they wait for', async () => {
    const place = new Place();
    const engine = await cleared(place);
    const hold = gate();
    place.before = () => hold.opened;
    const answers = [
      engine.submit({ type: 'rollback', mutation: 'm1', fence: 1 }),
      engine.submit({ type: 'rollback', mutation: 'm1', fence: 1 }, ({ stage }) => stage === 'rolled_back'),
      engine.submit({ type: 'pin', mutation: 'm1', pinned: true }, ({ stage }) => stage !== 'rolling_back'),
    ];
    await place.clock.pass(100);
    expect(said((await answers[0]) as Answer)).toBe('rolling_back');
    hold.open();
    await place.clock.pass(0);
    expect((await Promise.all(answers.slice(1))).map(said)).toEqual(['rolled_back', 'rolled_back']);
  });
});

describe('a ledger that cannot be written', () => {
  test('refuses callers, and keeps what must not be lost until it is written', async () => {
    const place = new Place();
    const engine = await cleared(place);
    place.full = true;
    engine.tell({ type: 'holder_gone', mutation: 'm1' });
    const commit = engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    await place.clock.pass(20_000);
    expect(said(await commit)).toBe('ledger_unavailable');
    expect(engine.state.mutations.get('m1')?.stage).toBe('cleared');
    place.full = false;
    await place.clock.pass(2_000);
    expect(place.story('m1').slice(-2)).toEqual(['rollback_started', 'rolled_back']);
  });

  test('keeps the answer of an effect, and does not do it twice', async () => {
    const place = new Place();
    const engine = await place.start();
    const hold = gate();
    place.before = () => hold.opened;
    const answer = engine.submit(request(['/a']), decided);
    await place.clock.pass(0);
    place.full = true;
    hold.open();
    await place.clock.pass(10_000);
    place.full = false;
    await place.clock.pass(2_000);
    expect(said(await answer)).toBe('cleared');
    expect(place.calls).toEqual([{ name: 'snapshot', about: 'm1' }]);
  });

  test('is asked again at a walking pace, however much falls due meanwhile', async () => {
    const place = new Place();
    const engine = await cleared(place, { ttlMs: 1_000 });
    void engine.submit(request(['/a'], { waitMs: 1_000 }, 'm2'));
    await place.clock.pass(0);
    place.full = true;
    const before = place.clock.fired;
    await place.clock.pass(600_000);
    // Twice a second or so, for ten minutes; a tick that makes more ticks would be at it a million times.
    expect(place.clock.fired - before).toBeLessThan(3_000);
    place.full = false;
    await place.clock.pass(5_000);
    expect(place.story('m1').at(-1)).toBe('rolled_back');
    expect(place.story('m2').at(-1)).toBe('denied');
  });

  test('at the start ends the start, and nothing is done', async () => {
    const place = new Place();
    await cleared(place);
    const next = new Place();
    Object.assign(next, { disk: place.disk });
    next.full = true;
    await expect(next.start()).rejects.toThrow(/ledger could not be written.*ledger_unavailable/);
    next.full = false;
    await next.clock.pass(600_000);
    expect(next.calls).toEqual([]);
    expect(place.story('m1').at(-1)).toBe('cleared');
  });
});

describe('an effect', () => {
  test('that hangs is unknown, and its locks stay until it has answered', async () => {
    const place = new Place();
    const engine = await cleared(place);
    const hold = gate();
    place.before = ({ name }) => (name === 'rollback' ? hold.opened : undefined);
    const rollback = engine.submit(
      { type: 'rollback', mutation: 'm1', fence: 1 },
      ({ stage }) => stage !== 'rolling_back',
    );
    await place.clock.pass(10_000);
    expect(said(await rollback)).toBe('quarantined');
    expect(engine.state.mutations.get('m1')?.reason?.code).toBe('storage_timeout');
    hold.open();
    await place.clock.pass(0);
    expect((await engine.find('m1'))?.stage).toBe('rolled_back');
  });

  test('that hangs is not overtaken by what a person resolves meanwhile', async () => {
    const place = new Place();
    const engine = await cleared(place);
    const hold = gate();
    place.before = ({ name }) => (name === 'rollback' ? hold.opened : undefined);
    void engine.submit({ type: 'rollback', mutation: 'm1', fence: 1 });
    await place.clock.pass(10_000);
    const resolve = engine.submit(
      { type: 'resolve', mutation: 'm1', choice: 'commit' },
      ({ stage }) => stage !== 'committing',
    );
    const next = engine.submit(request(['/a'], { waitMs: 3_600_000 }, 'm2'), decided);
    await place.clock.pass(60_000);
    expect(engine.state.mutations.get('m2')?.stage).toBe('queued');
    hold.open();
    await place.clock.pass(0);
    // What the person wanted to keep is gone: the record says so.
    expect(said(await resolve)).toBe('rolled_back');
    expect(said(await next)).toBe('cleared');
  });

  test('that hangs at the snapshot denies in time, and cleans up when it has answered', async () => {
    const place = new Place();
    const engine = await place.start();
    const hold = gate();
    place.before = ({ name }) => (name === 'snapshot' ? hold.opened : undefined);
    const answer = engine.submit(request(['/a']), ({ stage }) => stage !== 'queued' && stage !== 'snapshotting');
    await place.clock.pass(10_000);
    expect(await answer).toMatchObject({
      ok: true,
      value: { stage: 'withdrawing', reason: { code: 'storage_timeout' } },
    });
    expect(place.calls.map(({ name }) => name)).toEqual(['snapshot']);
    hold.open();
    await place.clock.pass(0);
    expect(place.calls.map(({ name }) => name)).toEqual(['snapshot', 'discard']);
    expect((await engine.find('m1'))?.stage).toBe('denied');
  });

  test('of a backend in trouble keeps no locks of another one', async () => {
    const place = new Place();
    const { storage } = place.options;
    const asked: unknown[] = [];
    const discard: typeof storage.discard = (mutation, drivers) => {
      asked.push(drivers);
      return storage.discard(mutation);
    };
    const engine = await place.start({ storage: { ...storage, discard } });
    place.refuse = ({ name }) => name === 'snapshot';
    const answer = engine.submit(request(['/a']), decided);
    await place.clock.pass(0);
    expect(said(await answer)).toBe('denied');
    expect(asked).toEqual([new Set(['memory'])]);
  });

  test('that breaks off is unknown', async () => {
    const place = new Place();
    const engine = await cleared(place);
    place.before = ({ name }) => (name === 'rollback' ? Promise.reject(new Error('connection reset')) : undefined);
    const rollback = engine.submit(
      { type: 'rollback', mutation: 'm1', fence: 1 },
      ({ stage }) => stage !== 'rolling_back',
    );
    await place.clock.pass(0);
    expect(said(await rollback)).toBe('quarantined');
    expect(engine.state.mutations.get('m1')?.reason?.message).toContain('connection reset');
  });

  test('that must succeed is tried again, more and more rarely, and nothing spins meanwhile', async () => {
    const place = new Place();
    const engine = await place.start();
    place.refuse = ({ name }) => name === 'snapshot' || name === 'discard';
    void engine.submit(request(['/a']));
    const before = place.clock.fired;
    await place.clock.pass(3_600_000);
    const tries = place.calls.filter(({ name }) => name === 'discard').length;
    expect(tries).toBeGreaterThan(100);
    expect(tries).toBeLessThan(200);
    // Each try is slow now: while it is under way there is nothing to wake up for.
    const hold = gate();
    place.before = () => hold.opened;
    await place.clock.pass(60_000);
    expect(place.clock.fired - before).toBeLessThan(2_000);
    place.refuse = () => false;
    hold.open();
    await place.clock.pass(60_000);
    expect((await engine.find('m1'))?.stage).toBe('denied');
    expect(engine.idle).toBe(true);
  });

  test('of a rollback stops the holder first, and goes no further when that fails', async () => {
    const place = new Place();
    const engine = await cleared(place);
    place.refuse = ({ name }) => name === 'stop';
    void engine.submit({ type: 'rollback', mutation: 'm1', fence: 1 });
    await place.clock.pass(0);
    expect(place.calls.map(({ name }) => name)).toEqual(['snapshot', 'stop']);
    expect(engine.state.mutations.get('m1')?.stage).toBe('quarantined');
    place.refuse = () => false;
    void engine.submit({ type: 'resolve', mutation: 'm1', choice: 'rollback' });
    await place.clock.pass(0);
    expect(place.calls.slice(2)).toEqual([
      { name: 'stop', about: 'm1' },
      { name: 'rollback', about: 'm1 2' },
    ]);
  });

  test('of resolving to commit stops the holder first; that of the holder itself does not', async () => {
    const place = new Place();
    const engine = await cleared(place, { onExpiry: 'quarantine' });
    engine.tell({ type: 'holder_gone', mutation: 'm1' });
    const resolve = engine.submit(
      { type: 'resolve', mutation: 'm1', choice: 'commit' },
      ({ stage }) => stage === 'committed',
    );
    await place.clock.pass(0);
    expect(said(await resolve)).toBe('committed');
    expect(place.calls.map(({ name }) => name)).toEqual(['snapshot', 'stop']);
  });

  test('on a shared seal waits for the other', async () => {
    const place = new Place();
    const engine = await place.start();
    void engine.submit({ type: 'seal', dataset: { name: '/a', driver: 'memory' }, sealed: true });
    void engine.submit(request(['/a/b'], {}, 'm1'));
    await place.clock.pass(0);
    const hold = gate();
    place.before = ({ name }) => (name === 'seal' ? hold.opened : undefined);
    void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    await place.clock.pass(0);
    const second = engine.submit(request(['/a/c'], {}, 'm2'), decided);
    await place.clock.pass(0);
    expect(place.calls.at(-1)).toEqual({ name: 'seal', about: '/a true' });
    hold.open();
    await place.clock.pass(0);
    expect(said(await second)).toBe('cleared');
    expect(place.calls.filter(({ name }) => name === 'seal').map(({ about }) => about)).toEqual([
      '/a false',
      '/a true',
      '/a false',
    ]);
  });
});

describe('time', () => {
  test('alone ends waits and leases', async () => {
    const place = new Place();
    const engine = await cleared(place, { ttlMs: 5_000 });
    const waits = engine.submit(request(['/a'], { waitMs: 1_000 }, 'm2'), decided);
    await place.clock.pass(1_000);
    expect(said(await waits)).toBe('denied');
    await place.clock.pass(5_999);
    expect((await engine.find('m1'))?.stage).toBe('cleared');
    await place.clock.pass(1);
    expect((await engine.find('m1'))?.stage).toBe('rolled_back');
  });

  test('is noticed however busy the engine is', async () => {
    const place = new Place();
    const engine = await cleared(place, { ttlMs: 5_000 });
    for (let mono = 0; mono < 7_100; mono += 0.5) {
      void engine.submit({ type: 'pin', mutation: 'nobody', pinned: true });
      await place.clock.pass(0.5);
    }
    expect((await engine.find('m1'))?.stage).toBe('rolled_back');
  });

  test('on the wall may go back: the record goes on', async () => {
    const place = new Place();
    const engine = await cleared(place);
    place.clock.wall -= 86_400_000;
    void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    void engine.submit(request(['/a'], {}, 'm2'));
    await place.clock.pass(0);
    const times = place.events.map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });
});

describe('an undo', () => {
  test('is refused when what it needs was pruned, long ago or in the same breath', async () => {
    const place = new Place();
    const engine = await cleared(place);
    void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    await place.clock.pass(0);
    const name = (await engine.find('m1'))?.snapshots[0]?.name ?? '';
    const target = { kind: 'snapshot', mutation: 'm1', dataset: '/a', driver: 'memory', name } as const;
    void engine.submit({ type: 'destroy', target, why: 'old' });
    const sameBreath = engine.submit({ type: 'rollback', mutation: 'm1' });
    await place.clock.pass(0);
    expect(said(await sameBreath)).toBe('snapshot_gone');
    const answers = [
      engine.submit({ type: 'rollback', mutation: 'm1' }),
      engine.submit({ type: 'pin', mutation: 'm1', pinned: true }),
    ];
    await place.clock.pass(0);
    expect((await Promise.all(answers)).map(said)).toEqual(['snapshot_gone', 'snapshot_gone']);
  });

  test('is refused over something newer', async () => {
    const place = new Place();
    const engine = await cleared(place);
    void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    void engine.submit(request(['/a/b'], {}, 'm2'));
    await place.clock.pass(0);
    void engine.submit({ type: 'commit', mutation: 'm2', fence: 2 });
    const undo = engine.submit({ type: 'rollback', mutation: 'm1' });
    await place.clock.pass(0);
    expect(said(await undo)).toBe('newer_mutations');
    const newest = engine.submit({ type: 'rollback', mutation: 'm2' }, ({ stage }) => stage === 'rolled_back');
    await place.clock.pass(0);
    expect(said(await newest)).toBe('rolled_back');
  });

  test('of what nobody knows is refused', async () => {
    const place = new Place();
    const engine = await place.start();
    const undo = engine.submit({ type: 'rollback', mutation: 'nobody' });
    await place.clock.pass(0);
    expect(said(await undo)).toBe('mutation_unknown');
  });
});

test('pruning asks the ledger again who is pinned', async () => {
  const place = new Place();
  const engine = await place.start({
    policy: {
      ...place.options.policy,
      retention: { committed: { countMax: 0, ageMsMax: 0 }, failed: { countMax: 0, ageMsMax: 0 } },
    },
  });
  const targets = ['m1', 'm2'].map(
    (mutation) => ({ kind: 'snapshot', mutation, dataset: '/a', driver: 'memory', name: `/a@${mutation}` }) as const,
  );
  for (const [index, { mutation }] of targets.entries()) {
    void engine.submit({ type: 'request', mutation, request: asking(['/a']) });
    await place.clock.pass(0);
    void engine.submit({ type: 'commit', mutation, fence: index + 1 });
    await place.clock.pass(0);
  }
  void engine.submit({ type: 'pin', mutation: 'm1', pinned: true });
  await place.clock.pass(0);
  const stranger = { ...targets[0], mutation: 'stranger', name: '/a@stranger' } as const;
  const all = [...targets, stranger] as (typeof targets)[number][];
  void engine.submit({
    type: 'prune',
    candidates: all.map((target) => ({ target, createdAt: 0, pinned: false, stage: 'committed' as const })),
  });
  await place.clock.pass(0);
  expect(place.calls.filter(({ name }) => name === 'destroy')).toEqual([{ name: 'destroy', about: '/a@m2' }]);
});
