import { expect, test } from 'vitest';

import { Absence } from '../../../src/doors/irc/absence.ts';
import type { Log } from '../../../src/ports/log.ts';
import { VirtualClock } from '../../engine/place.ts';

const RETRY = { retryMs: 1_000, retryMsMax: 60_000 };

function absence(random = 0.5): { clock: VirtualClock; one: Absence; said: string[] } {
  const clock = new VirtualClock();
  const said: string[] = [];
  const say = (_fields: object, message: string): void => void said.push(message);
  const log: Log = { info: say, warn: say, error: say };
  return { clock, one: new Absence('irc:6697', RETRY, { clock, log, random: () => random }), said };
}

test('tries again for ever, twice as late each time up to the most, and says why once an hour', async () => {
  const { clock, one, said } = absence();
  const tries: number[] = [];
  const again = (): void => {
    tries.push(clock.mono());
    one.begin('refused', again);
  };
  one.begin('refused', again);
  await clock.pass(3_700_000);
  expect(tries.slice(0, 8)).toEqual([1, 3, 7, 15, 31, 63, 123, 183].map((seconds) => seconds * 1_000));
  expect(tries.length).toBeGreaterThan(60);
  expect(said).toEqual([
    'IRC: not connected: refused; trying again in 1.0 s',
    'IRC: not connected: refused; trying again in 1 min',
  ]);
});

test('another reason is said at once, on one line', () => {
  const { one, said } = absence();
  one.begin('refused', () => {});
  one.begin('Access denied:\r\nBad password', () => {});
  expect(said[1]).toContain('Access denied:\\u000d\\nBad password');
});

test('many clients do not come back at the same moment', async () => {
  for (const [random, ms] of [
    [0, 750],
    [1, 1_250],
  ] as const) {
    const { clock, one } = absence(random);
    let at: number | undefined;
    one.begin('refused', () => (at = clock.mono()));
    await clock.pass(5_000);
    expect(at).toBe(ms);
  }
});

test('a server that lets us in and throws us out at once is no good server yet', async () => {
  const { clock, one } = absence();
  const waits: number[] = [];
  for (const upMs of [100, 100, 100, 60_000, 100]) {
    one.end();
    await clock.pass(upMs);
    const begun = clock.mono();
    let again: number | undefined;
    one.begin('killed', () => (again = clock.mono()));
    await clock.pass(100_000);
    waits.push((again ?? 0) - begun);
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 1_000, 2_000]);
});
