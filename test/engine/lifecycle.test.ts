import { describe, expect, test } from 'vitest';

import { canonicalJson } from '../../src/base/canonical.ts';
import { archive, evolve } from '../../src/core/evolve.ts';
import { EMPTY, type State } from '../../src/core/state.ts';
import { memoryLedger } from '../../src/ledger/memory/ledger.ts';
import { decided, gate, Place, request } from './place.ts';

/** The same disk and storage, another process: what a crash leaves. */
function restarted(place: Place): Place {
  const next = new Place();
  Object.assign(next, { disk: place.disk });
  next.clock.wall = place.clock.wall + 1_000;
  return next;
}

function plain(state: State): string {
  return canonicalJson({
    ...state,
    mutations: [...state.mutations.values()],
    seals: [...state.seals],
    condemned: [...state.condemned],
  });
}

describe('a controller killed', () => {
  test.each([
    ['snapshot', 'denied', ['discard']],
    ['rollback', 'rolled_back', ['stop', 'rollback']],
    ['discard', 'denied', ['discard']],
  ] as const)('in the middle of a %s ends %s', async (name, stage, calls) => {
    const place = new Place();
    const engine = await place.start();
    const never = new Promise<void>(() => undefined);
    place.before = (call) => (call.name === name ? never : undefined);
    place.refuse = (call) => name === 'discard' && call.name === 'snapshot';
    void engine.submit(request(['/a']), decided);
    await place.clock.pass(0);
    if (name === 'rollback') void engine.submit({ type: 'rollback', mutation: 'm1', fence: 1 });
    await place.clock.pass(0);

    const next = restarted(place);
    const after = await next.start();
    await next.clock.pass(0);
    expect((await after.find('m1'))?.stage).toBe(stage);
    expect(next.calls.map((call) => call.name)).toEqual(calls);
    // Not a second attempt at the rollback: the storage finishes what it had begun.
    expect(next.calls.at(-1)?.about).toBe(name === 'rollback' ? 'm1 1' : 'm1');
  });

  test('while closing a seal closes it', async () => {
    const place = new Place();
    const engine = await place.start();
    void engine.submit({ type: 'seal', dataset: { name: '/a', driver: 'memory' }, sealed: true });
    await place.clock.pass(0);
    void engine.submit(request(['/a']), decided);
    await place.clock.pass(0);
    place.before = () => new Promise<void>(() => undefined);
    void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    await place.clock.pass(0);
    const next = restarted(place);
    const after = await next.start();
    await next.clock.pass(0);
    expect((await after.find('m1'))?.stage).toBe('committed');
    expect(next.calls).toContainEqual({ name: 'seal', about: '/a true' });
    expect(after.state.seals.get('/a')).toMatchObject({ wanted: true, settled: true });
  });

  test('twice, with the wall clock set forward and back in between: what the ledger keeps is what its events say', async () => {
    const place = new Place();
    const engine = await place.start();
    void engine.submit(request(['/a'], { attached: true }));
    void engine.submit(request(['/b'], { onExpiry: 'quarantine', ttlMs: 1_000 }, 'm2'));
    void engine.submit(request(['/c'], {}, 'm3'));
    await place.clock.pass(0);
    void engine.submit({ type: 'commit', mutation: 'm3', fence: 3 });
    await place.clock.pass(5_000);
    let last = place;
    for (const jumpMs of [86_400_000, -86_400_000, 0]) {
      const next = restarted(last);
      next.clock.wall += jumpMs;
      const after = await next.start();
      await next.clock.pass(100);
      expect(plain(await memoryLedger(next.disk).load())).toBe(plain(archive(evolve(EMPTY, next.events))));
      expect(plain(after.state)).toBe(plain(archive(evolve(EMPTY, next.events))));
      last = next;
    }
  });
});

describe('a controller asked to stop', () => {
  test('lets what is under way end, takes nothing new, and tells those who wait', async () => {
    const place = new Place();
    const engine = await place.start();
    const hold = gate();
    void engine.submit(request(['/a']));
    await place.clock.pass(0);
    place.before = () => hold.opened;
    const waits = engine.submit(request(['/a'], {}, 'm2'), decided);
    const other = engine.submit(request(['/b'], {}, 'm3'), decided);
    await place.clock.pass(0);
    let stopped = false;
    const stopping = engine.stop().then(() => (stopped = true));
    expect(await engine.submit(request(['/c'], {}, 'm4'))).toMatchObject({
      ok: false,
      error: { code: 'controller_stopping' },
    });
    await place.clock.pass(1_000);
    expect(stopped).toBe(false);
    hold.open();
    await place.clock.pass(100);
    await stopping;
    expect(await other).toMatchObject({ ok: true, value: { stage: 'cleared' } });
    expect(await waits).toMatchObject({ ok: false, error: { code: 'controller_stopping' } });
  });

  test('does not wait for ever, and writes nothing once it has stopped', async () => {
    const place = new Place();
    const engine = await place.start();
    const hold = gate();
    place.before = () => hold.opened;
    const answer = engine.submit(request(['/a']), decided);
    await place.clock.pass(0);
    const stopping = engine.stop();
    await place.clock.pass(11_000);
    await stopping;
    expect(await answer).toMatchObject({ ok: false, error: { code: 'controller_stopping' } });
    const records = place.disk.records.length;
    hold.open();
    engine.tell({ type: 'holder_gone', mutation: 'm1' });
    await place.clock.pass(60_000);
    expect(place.disk.records).toHaveLength(records);
  });

  test('while the ledger is full leaves the rest to the next start', async () => {
    const place = new Place();
    const engine = await place.start();
    const hold = gate();
    place.before = () => hold.opened;
    void engine.submit(request(['/a']));
    await place.clock.pass(0);
    const stopping = engine.stop();
    place.full = true;
    hold.open();
    await place.clock.pass(100);
    await stopping;
    const next = restarted(place);
    const after = await next.start();
    await next.clock.pass(0);
    expect((await after.find('m1'))?.stage).toBe('denied');
  });
});
