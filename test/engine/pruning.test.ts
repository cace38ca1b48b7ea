import { describe, expect, test } from 'vitest';

import { Controller } from '../../src/engine/controller.ts';
import type { Stored } from '../../src/ports/storage.ts';
import { decided, gate, Place, request } from './place.ts';

const NOTHING_KEPT = { committed: { countMax: 0, ageMsMax: 0 }, failed: { countMax: 0, ageMsMax: 0 } };

/** `count` snapshots of one committed mutation on the storage, and retention that keeps none. */
async function keeping(count: number, freesBytes?: number): Promise<{ place: Place; controller: Controller }> {
  const place = new Place();
  const stored = Array.from({ length: count }, (_, index): Stored => {
    const about = { dataset: '/a', driver: 'memory', node: 'n', intent: 'x', mode: 'standard' } as const;
    return {
      ...about,
      kind: 'snapshot',
      name: `/a@PRE_${index}`,
      mutation: 'm1',
      guid: '1',
      fence: 1,
      createdAt: index,
    };
  });
  const options: Place['options'] = {
    ...place.options,
    policy: { ...place.options.policy, retention: NOTHING_KEPT },
    storage: { ...place.options.storage, list: async () => stored, reclaimable: async () => freesBytes },
  };
  const engine = await place.start(options);
  void engine.submit(request(['/a']), decided);
  await place.clock.pass(0);
  void engine.submit({ type: 'commit', mutation: 'm1', fence: 2 });
  await place.clock.pass(0);
  return { place, controller: new Controller(engine, options, place.mesh) };
}

function destroyed(place: Place): number {
  return place.events.filter(({ type }) => type === 'destroyed').length;
}

describe('letting go of thousands', () => {
  test('goes on a few at a time, to the end', async () => {
    const { place, controller } = await keeping(1_000);
    const hold = gate();
    let [running, most] = [0, 0];
    place.before = async () => {
      most = Math.max(most, (running += 1));
      await hold.opened;
      running -= 1;
    };
    await Promise.all([controller.prune(false), place.clock.pass(0)]);
    await place.clock.pass(100);
    expect(most).toBe(64);
    hold.open();
    await place.clock.pass(1_000);
    expect(most).toBe(64);
    expect(destroyed(place)).toBe(1_000);
  });

  test('is not stopped by those that break off, nor by those that are refused', async () => {
    const { place, controller } = await keeping(300);
    place.before = ({ name, about }) => {
      if (name === 'destroy' && Number(about.slice('/a@PRE_'.length)) < 100) throw new Error('connection reset');
    };
    place.refuse = ({ name, about }) => name === 'destroy' && Number(about.slice('/a@PRE_'.length)) >= 250;
    await Promise.all([controller.prune(false), place.clock.pass(0)]);
    await place.clock.pass(60_000);
    expect(destroyed(place)).toBe(150);
    expect(controller.engine.state.condemned.size).toBe(100);
    expect(controller.engine.state.stuck.size).toBe(50);
  });

  test('tells before what it would free, where the storage can tell', async () => {
    expect(await (await keeping(2, 123)).controller.prune(true)).toMatchObject({
      ok: true,
      value: { freesBytes: 123 },
    });
    const untold = await (await keeping(2)).controller.prune(true);
    expect(untold.ok && Object.keys(untold.value)).toEqual(['going']);
  });
});

test('retention that cannot look at the storage is no reason to fall over', async () => {
  const place = new Place();
  const options = { ...place.options };
  const engine = await place.start(options);
  const broken = { ...options.storage, list: () => Promise.reject(new Error('the pool is suspended')) };
  await expect(
    new Controller(engine, { ...options, storage: broken }, place.mesh).pruneByItself(),
  ).resolves.toBeUndefined();
});
