import { expect, test } from 'vitest';

import { Controller } from '../../src/engine/controller.ts';
import { gate, Place } from './place.ts';

/* What whoever asks for a seal is told, while the storage takes its time. */

test('nobody is told that it is sealed before it is; who waits too long is told to look later', async () => {
  const place = new Place();
  const engine = await place.start();
  const storage = {
    ...place.options.storage,
    locate: async (name: string) => ({ ok: true as const, value: { name, driver: 'memory' as const } }),
  };
  const controller = new Controller(engine, { ...place.options, storage }, place.mesh);
  const held = gate();
  place.before = ({ name }) => (name === 'seal' ? held.opened : undefined);
  const told: (string | undefined)[] = [];
  const ask = async (): Promise<void> => {
    const done = await controller.seal('/srv', true);
    told.push(done.ok ? 'sealed' : done.error.code);
  };
  void ask();
  await place.clock.pass(100);
  void ask();
  await place.clock.pass(100);
  expect(told).toEqual([]);
  await place.clock.pass(30_000);
  expect(told).toEqual(['storage_timeout', 'storage_timeout']);
  void ask();
  await place.clock.pass(100);
  held.open();
  await place.clock.pass(60_000);
  expect(told.slice(2)).toEqual(['sealed']);
  void ask();
  await place.clock.pass(100);
  expect(told.slice(3)).toEqual(['sealed']);
});
