import { describe, expect, test } from 'vitest';

import type { Engine } from '../../src/engine/engine.ts';
import type { Stored } from '../../src/ports/storage.ts';
import { T0 } from '../core/story.ts';
import { decided, Place, request } from './place.ts';

function stored(name: string, mutation: string, more: Partial<Stored> = {}): Stored {
  const about = { dataset: '/a', driver: 'memory', node: 'n', intent: 'x', mode: 'standard' } as const;
  return { kind: 'snapshot', name, mutation, guid: name, fence: 1, createdAt: T0, ...about, ...more };
}

/** A place whose storage has a memory of its own. */
class Remembering extends Place {
  stored: readonly Stored[] = [];
  readonly told: string[] = [];
  list: () => Promise<readonly Stored[]> = () => Promise.resolve(this.stored);

  async begin(disk?: Place['disk']): Promise<Engine> {
    if (disk !== undefined) Object.assign(this, { disk });
    const storage: Place['options']['storage'] = {
      ...this.options.storage,
      list: () => this.list(),
      tend: async (_, ended) => void this.told.push(...ended.map(({ id, stage }) => `${id} ${stage}`)),
    };
    const engine = await this.start({ storage });
    await this.clock.pass(0);
    return engine;
  }

  get findings(): unknown[] {
    return this.events.filter(({ type }) => type === 'reconciled');
  }
}

/** A ledger with m1 committed on /a and m2 cleared on /b. */
async function lived(): Promise<{ readonly disk: Place['disk']; readonly names: string[] }> {
  const place = new Place();
  const engine = await place.start();
  void engine.submit(request(['/a']), decided);
  void engine.submit(request(['/b'], {}, 'm2'), decided);
  await place.clock.pass(0);
  void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
  await place.clock.pass(0);
  const mutations = await Promise.all(['m1', 'm2'].map((id) => engine.find(id)));
  return { disk: place.disk, names: mutations.map((mutation) => mutation?.snapshots[0]?.name ?? '') };
}

describe('with a new ledger', () => {
  test('tokens begin above what the storage remembers', async () => {
    const place = new Remembering();
    place.stored = [stored('/a@PRE_x', 'lost', { fence: 41 }), stored('/a@PRE_y', 'foreign', { fence: Number.NaN })];
    const engine = await place.begin();
    void engine.submit(request(['/a']), decided);
    await place.clock.pass(0);
    expect((await engine.find('m1'))?.fence).toBe(42);
    expect(place.events[0]).toMatchObject({ type: 'controller_started', fenceFloor: 41, namedFloor: T0 });
  });

  test('a storage that cannot be asked ends the start', async () => {
    const place = new Remembering();
    place.list = () => Promise.reject(new Error('the pool is suspended'));
    await expect(place.begin()).rejects.toThrow(/fencing tokens.*the pool is suspended.*selftest_failed/);
    expect(place.events).toEqual([]);
  });
});

describe('a start finds', () => {
  test('nothing, and says nothing', async () => {
    const { disk, names } = await lived();
    const place = new Remembering();
    place.stored = names.map((name, index) => stored(name, `m${index + 1}`));
    await place.begin(disk);
    expect(place.findings).toEqual([]);
  });

  test('what the ledger does not know, and what is gone; and says it once', async () => {
    const { disk, names } = await lived();
    for (const _ of [1, 2]) {
      const place = new Remembering();
      place.stored = [stored('/a@PRE_x', 'lost', { fence: 9 }), stored('/a@FAIL_y', 'lost', { createdAt: T0 + 1 })];
      const engine = await place.begin(disk);
      expect(place.findings).toHaveLength(1);
      expect(engine.state.findings).toEqual({
        unknown: { count: 2, names: ['/a@FAIL_y', '/a@PRE_x'] },
        missing: { count: 2, snapshots: names.map((name, index) => ({ name, mutation: `m${index + 1}` })) },
      });
      expect(engine.state.counters.fence).toBe(9);
    }
  });

  test('nothing missing that was let go', async () => {
    const { disk, names } = await lived();
    const [name = '', other = ''] = names;
    const before = new Remembering();
    const target = { kind: 'snapshot', mutation: 'm1', dataset: '/a', driver: 'memory', name } as const;
    before.stored = [stored(name, 'm1'), stored(other, 'm2')];
    const engine = await before.begin(disk);
    void engine.submit({ type: 'destroy', target, why: 'old' });
    await before.clock.pass(0);
    const place = new Remembering();
    place.stored = [stored(other, 'm2')];
    await place.begin(disk);
    expect(place.findings).toEqual([]);
  });

  test('whom the storage was not told of, or told otherwise', async () => {
    const { disk, names } = await lived();
    const [one = '', two = ''] = names;
    for (const [outcome, told] of [
      [undefined, ['m1 committed']],
      ['rolled_back', ['m1 committed']],
      ['committed', []],
    ] as const) {
      const place = new Remembering();
      place.stored = [stored(one, 'm1', outcome === undefined ? {} : { outcome }), stored(two, 'm2')];
      await place.begin(disk);
      expect(place.told).toEqual(told);
    }
  });

  test('it all the same when the storage cannot be listed at first', async () => {
    const { disk } = await lived();
    const place = new Remembering();
    place.list = () => Promise.reject(new Error('the pool is suspended'));
    const engine = await place.begin(disk);
    place.list = () => Promise.resolve([]);
    expect(place.findings).toEqual([]);
    await place.clock.pass(30_000);
    expect(engine.state.findings.missing.count).toBe(2);
  });

  test('it in the background: nobody waits for a slow list', async () => {
    const { disk } = await lived();
    const place = new Remembering();
    place.list = () => new Promise(() => undefined);
    const engine = await place.begin(disk);
    const answer = engine.submit(request(['/c'], {}, 'm3'), decided);
    await place.clock.pass(0);
    expect(await answer).toMatchObject({ ok: true, value: { stage: 'cleared' } });
    void engine.submit({ type: 'commit', mutation: 'm3', fence: 3 });
    await place.clock.pass(0);
    await engine.stop();
  });
});
