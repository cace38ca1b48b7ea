import { expect, test } from 'vitest';

import { keepCertified } from '../../src/node/certificate.ts';
import { VirtualClock } from '../engine/place.ts';

const DAY_MS = 24 * 3_600_000;

test('a certificate is renewed at two thirds of its time, and asked for again while nobody answers', async () => {
  const clock = new VirtualClock();
  let from = clock.now();
  let answers = true;
  const rotated: number[] = [];
  const logged: string[] = [];
  const log = (_: unknown, message: string): void => void logged.push(message);
  const begun = clock.now();
  const stop = keepCertified({
    validity: () => ({ from, until: from + 30 * DAY_MS }),
    rotate: async () => {
      if (!answers) throw new Error('nobody is there');
      from = clock.now();
      rotated.push(Math.round((clock.now() - begun) / DAY_MS));
    },
    clock,
    log: { info: log, warn: log, error: log },
  });
  await clock.pass(50 * DAY_MS);
  expect(rotated).toEqual([20, 40]);
  answers = false;
  await clock.pass(11 * DAY_MS);
  answers = true;
  await clock.pass(DAY_MS);
  expect(rotated).toEqual([20, 40, 61]);
  expect(logged.filter((line) => /could not be renewed/.test(line)).length).toBeGreaterThan(10);
  stop();
  await clock.pass(60 * DAY_MS);
  expect(rotated).toHaveLength(3);
});
