import { describe, expect, test } from 'vitest';

import type { Mutation } from '../../src/core/mutation/mutation.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { decided, gate, Place, request } from './place.ts';

/** A place whose storage writes down what it is told, and can be slow or fail. */
class Tended extends Place {
  readonly told: { readonly open: string[]; readonly ended: string[] }[] = [];
  readonly complaints: string[] = [];
  answer: () => Promise<void> = () => Promise.resolve();

  async begin(): Promise<Engine> {
    const tend = (open: readonly Mutation[], ended: readonly Mutation[]): Promise<void> => {
      const words = ({ id, stage }: Mutation): string => `${id} ${stage}`;
      this.told.push({ open: open.map(words), ended: ended.map(words) });
      return this.answer();
    };
    const warn = (_: unknown, message: string): void => void this.complaints.push(message);
    const log = { ...this.options.log, warn };
    const engine = await this.start({ log, storage: { ...this.options.storage, tend } });
    await this.clock.pass(0);
    return engine;
  }
}

async function clear(place: Tended, engine: Engine, dataset: string, id: string): Promise<void> {
  void engine.submit(request([dataset], {}, id), decided);
  await place.clock.pass(0);
}

async function commit(place: Tended, engine: Engine, id: string, fence: number): Promise<void> {
  void engine.submit({ type: 'commit', mutation: id, fence });
  await place.clock.pass(0);
}

describe('the storage is told', () => {
  test('at the start, of what became open, and of what ended', async () => {
    const place = new Tended();
    const engine = await place.begin();
    await clear(place, engine, '/a', 'm1');
    await clear(place, engine, '/b', 'm2');
    await commit(place, engine, 'm1', 1);
    expect(place.told).toEqual([
      { open: [], ended: [] },
      { open: ['m1 cleared'], ended: [] },
      { open: ['m1 cleared', 'm2 cleared'], ended: [] },
      { open: ['m2 cleared'], ended: ['m1 committed'] },
    ]);
  });

  test('of what was open when the controller died', async () => {
    const before = new Tended();
    await clear(before, await before.begin(), '/a', 'm1');
    const place = new Tended();
    Object.assign(place, { disk: before.disk });
    await place.begin();
    expect(place.told).toEqual([{ open: ['m1 cleared'], ended: [] }]);
  });

  test('nothing of renewals, or of what never froze anything', async () => {
    const place = new Tended();
    const engine = await place.begin();
    await clear(place, engine, '/a', 'm1');
    void engine.submit({ type: 'renew', mutation: 'm1', fence: 1 });
    await place.clock.pass(0);
    expect(place.told).toHaveLength(2);
    void engine.submit(request(['/a'], { waitMs: 0 }, 'm2'));
    await place.clock.pass(1_000);
    expect(place.story('m2')).toEqual(['requested', 'denied']);
    expect(place.told.every(({ ended }) => ended.length === 0)).toBe(true);
  });

  test('once for all that happens while it is being told', async () => {
    const place = new Tended();
    const engine = await place.begin();
    const hold = gate();
    place.answer = () => hold.opened;
    for (const [index, id] of ['m1', 'm2', 'm3'].entries()) await clear(place, engine, `/${index}`, id);
    await commit(place, engine, 'm1', 1);
    expect(place.told).toHaveLength(2);
    expect(engine.idle).toBe(false);
    hold.open();
    await place.clock.pass(0);
    expect(place.told.slice(2)).toEqual([{ open: ['m2 cleared', 'm3 cleared'], ended: ['m1 committed'] }]);
  });

  test('again after a failure, more and more rarely, without losing what ended', async () => {
    const place = new Tended();
    const engine = await place.begin();
    await clear(place, engine, '/a', 'm1');
    place.answer = () => Promise.reject(new Error('a dataset is busy'));
    await commit(place, engine, 'm1', 1);
    const before = place.told.length;
    await place.clock.pass(3_600_000);
    expect(place.told.length - before).toBe(11);
    await place.clock.pass(10 * 3_600_000);
    expect(place.told.length - before).toBe(21);
    expect(place.complaints).toEqual([expect.stringContaining('tried again')]);
    expect(engine.idle).toBe(true);
    place.answer = () => Promise.resolve();
    await place.clock.pass(3_600_000);
    const tries = place.told.length;
    expect(place.told.at(-1)).toEqual({ open: [], ended: ['m1 committed'] });
    await clear(place, engine, '/a', 'm2');
    expect(place.told.slice(tries)).toEqual([{ open: ['m2 cleared'], ended: [] }]);
  });

  test('soon of a change, however long it has failed', async () => {
    const place = new Tended();
    const engine = await place.begin();
    place.answer = () => Promise.reject(new Error('a dataset is busy'));
    await clear(place, engine, '/a', 'm1');
    await place.clock.pass(50_000);
    const tries = place.told.length;
    await clear(place, engine, '/b', 'm2');
    await place.clock.pass(1_000);
    expect(place.told.slice(tries)).toEqual([{ open: ['m1 cleared', 'm2 cleared'], ended: [] }]);
  });

  test('of a committed one that is undone as open, then as rolled back', async () => {
    const place = new Tended();
    const engine = await place.begin();
    await clear(place, engine, '/a', 'm1');
    place.answer = () => Promise.reject(new Error('a dataset is busy'));
    await commit(place, engine, 'm1', 1);
    place.answer = () => Promise.resolve();
    const hold = gate();
    place.before = ({ name }) => (name === 'rollback' ? hold.opened : undefined);
    void engine.submit({ type: 'rollback', mutation: 'm1' });
    await place.clock.pass(2_000);
    expect(place.told.at(-1)).toEqual({ open: ['m1 rolling_back'], ended: [] });
    hold.open();
    await place.clock.pass(0);
    expect(place.told.at(-1)).toEqual({ open: [], ended: ['m1 rolled_back'] });
  });
});

describe('being told', () => {
  test('makes way for those who wait for the storage, but not for ever', async () => {
    const place = new Tended();
    const engine = await place.begin();
    const hold = gate();
    place.before = ({ name }) => (name === 'snapshot' ? hold.opened : undefined);
    await clear(place, engine, '/slow', 'm1');
    place.before = () => undefined;
    await clear(place, engine, '/a', 'm2');
    await place.clock.pass(900);
    expect(place.told).toHaveLength(1);
    await place.clock.pass(200);
    expect(place.told.slice(1)).toEqual([{ open: ['m1 snapshotting', 'm2 cleared'], ended: [] }]);
    hold.open();
    await place.clock.pass(0);
    expect(place.told.at(-1)).toEqual({ open: ['m1 cleared', 'm2 cleared'], ended: [] });
  });

  test('delays no request, and no stop for longer than its patience', async () => {
    const place = new Tended();
    place.answer = () => new Promise(() => undefined);
    const engine = await place.begin();
    const answer = engine.submit(request(['/a']), decided);
    await place.clock.pass(0);
    expect(await answer).toMatchObject({ ok: true, value: { stage: 'cleared' } });
    let stopped = false;
    void engine.stop().then(() => (stopped = true));
    await place.clock.pass(5_000);
    expect(stopped).toBe(false);
    await place.clock.pass(5_000);
    expect(stopped).toBe(true);
  });

  test('is waited for by a stop', async () => {
    const place = new Tended();
    const engine = await place.begin();
    const hold = gate();
    place.answer = () => hold.opened;
    await clear(place, engine, '/a', 'm1');
    let stopped = false;
    void engine.stop().then(() => (stopped = true));
    await place.clock.pass(1_000);
    expect(stopped).toBe(false);
    hold.open();
    await place.clock.pass(10);
    expect(stopped).toBe(true);
  });

  test('for ever is no reason to be called busy, nor to be told twice at once', async () => {
    const place = new Tended();
    place.answer = () => new Promise(() => undefined);
    const engine = await place.begin();
    expect(engine.idle).toBe(false);
    await place.clock.pass(60_000);
    expect(engine.idle).toBe(true);
    await clear(place, engine, '/a', 'm1');
    expect(place.told).toHaveLength(1);
  });
});
