import { expect, test } from 'vitest';

import { Controller } from '../../src/engine/controller.ts';
import { memoryStorage } from '../../src/storage/memory/memory.ts';
import { Place } from './place.ts';

test('a recursive mutation freezes what is inside, and puts all of it back', async () => {
  const place = new Place();
  const storage = memoryStorage();
  for (const dataset of ['/a', '/a/b', '/a/b/c', '/ab']) {
    storage.create(dataset);
    storage.write(dataset, 'file', 'before');
  }
  const options = { ...place.options, storage };
  const controller = new Controller(await place.start(options), options, place.mesh);
  const [asked] = await Promise.all([
    controller.request({ intent: 'x', datasets: ['/a'], recursive: true }),
    place.clock.pass(0).then(() => place.clock.pass(0)),
  ]);
  const mutation = asked.ok ? asked.value : undefined;
  expect(mutation?.snapshots.map(({ dataset }) => dataset)).toEqual(['/a', '/a/b', '/a/b/c']);
  for (const dataset of ['/a', '/a/b', '/a/b/c']) storage.write(dataset, 'file', 'after');
  const [back] = await Promise.all([
    controller.rollback(mutation?.id ?? '', mutation?.fence),
    place.clock.pass(0).then(() => place.clock.pass(0)),
  ]);
  expect(back.ok && back.value.evidence.map(({ dataset }) => dataset)).toEqual(['/a', '/a/b', '/a/b/c']);
  for (const dataset of ['/a', '/a/b', '/a/b/c']) expect(storage.files(dataset).get('file')).toBe('before');
});
