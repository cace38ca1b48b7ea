import { expect, test } from 'vitest';

import { Paced } from '../../../web/live/paced.ts';
import { until } from '../../until.ts';

test('what changes very often is told at once, and then the last of it every so often', async () => {
  const paced = new Paced(0, 30);
  const told: number[] = [];
  paced.subscribe(() => void told.push(paced.value));
  for (let value = 1; value <= 50; value += 1) paced.set(value);
  expect(told).toEqual([1]);
  await until(() => paced.value === 50, 'the last of it');
  expect(told).toEqual([1, 50]);
  paced.set(51);
  await until(() => paced.value === 51, 'one more');
});
