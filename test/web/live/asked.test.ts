import { describe, expect, test } from 'vitest';

import { Asked } from '../../../web/live/asked.ts';
import { until } from '../../until.ts';

/** A question whose answers come when the test says so. */
function question() {
  const waiting: { readonly resolve: (value: number) => void; readonly reject: (error: Error) => void }[] = [];
  const told: (number | string)[] = [];
  let signal: AbortSignal | undefined;
  const asked = new Asked<number>(
    (given) => {
      signal = given;
      return new Promise((resolve, reject) => void waiting.push({ resolve, reject }));
    },
    { value: (value) => void told.push(value), error: (error) => void told.push((error as Error).message) },
  );
  return { asked, waiting, told, isBrokenOff: () => signal?.aborted };
}

describe('a question', () => {
  test('is not broken off by news, but asked once more after its answer', async () => {
    const { asked, waiting, told, isBrokenOff } = question();
    void asked.ask();
    for (let times = 0; times < 10; times += 1) void asked.ask();
    expect([waiting.length, isBrokenOff()]).toEqual([1, false]);
    waiting[0]?.resolve(1);
    await until(() => waiting.length === 2, 'it is asked again');
    expect(told).toEqual([1]);
    waiting[1]?.resolve(2);
    await until(() => told.length === 2, 'the newer answer');
    expect([told, waiting.length]).toEqual([[1, 2], 2]);
  });

  test('that was refused is asked again with the next news', async () => {
    const { asked, waiting, told } = question();
    const over = asked.ask();
    waiting[0]?.reject(new Error('no'));
    await over;
    void asked.ask();
    waiting[1]?.resolve(2);
    await until(() => told.length === 2, 'the answer');
    expect(told).toEqual(['no', 2]);
  });

  test('that nobody needs any more tells nothing', async () => {
    const { asked, waiting, told, isBrokenOff } = question();
    const over = asked.ask();
    void asked.ask();
    asked.end();
    expect(isBrokenOff()).toBe(true);
    waiting[0]?.resolve(1);
    await over;
    await asked.ask();
    expect([told, waiting.length]).toEqual([[], 1]);
  });
});
