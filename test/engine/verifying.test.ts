import { expect, test } from 'vitest';

import { Verifying } from '../../src/engine/verifying.ts';
import type { Audited } from '../../src/ports/audit.ts';
import { VirtualClock } from './place.ts';

const WHOLE: Audited = { ok: true, records: 7, notes: [] };
const BROKEN: Audited = { ok: false, records: 7, firstBroken: { seq: 3, problem: 'changed' }, notes: [] };

/** A ledger whose walks end when the test says how. */
function slow() {
  const clock = new VirtualClock();
  const walks: { readonly resolve: (audited: Audited) => void; readonly reject: (why: Error) => void }[] = [];
  const verify = (): Promise<Audited> =>
    new Promise<Audited>((resolve, reject) => void walks.push({ resolve, reject }));
  return { clock, walks, verifying: new Verifying({ bytes: async () => 1, verify }, clock) };
}

test('whoever asks while one is under way gets that one', async () => {
  const { clock, walks, verifying } = slow();
  const [one, two] = [verifying.verify(), verifying.verify()];
  expect([walks.length, verifying.isRunning, verifying.last]).toEqual([1, true, undefined]);
  await clock.pass(250);
  walks[0]?.resolve(WHOLE);
  expect(await one).toEqual({ ...WHOLE, at: clock.now(), tookMs: 250 });
  expect(await two).toBe(await one);
  expect([verifying.isRunning, verifying.last]).toEqual([false, await one]);
});

test('the last one counts, and one that could not be had is none', async () => {
  const { walks, verifying } = slow();
  const first = verifying.verify();
  walks[0]?.resolve(BROKEN);
  expect((await first).firstBroken?.seq).toBe(3);
  const second = verifying.verify();
  walks[1]?.reject(new Error('no disk'));
  await expect(second).rejects.toThrow('no disk');
  expect([verifying.isRunning, verifying.last?.ok]).toEqual([false, false]);
});
