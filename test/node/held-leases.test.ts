import { expect, it } from 'vitest';

import { HeldLeases } from '../../src/node/held-leases.ts';
import { VirtualClock } from '../engine/place.ts';

const HOLDING = { mutation: 'm', fence: 7 };

function held(): { clock: VirtualClock; leases: HeldLeases; said: unknown[]; letGo: () => void } {
  const clock = new VirtualClock();
  const leases = new HeldLeases('crm', clock);
  const said: unknown[] = [];
  const letGo = leases.hold(HOLDING, {
    renewed: (endsMono) => said.push(endsMono - clock.mono()),
    lost: ({ code, message }) => said.push(`${code}: ${message}`),
  });
  return { clock, leases, said, letGo };
}

const renewed = (seq: number, fence = 7) => ({ type: 'renewed', mutation: 'm', fence, seq, lastsMs: 60_000 }) as const;

it('counts from when the heartbeat was sent, however late the answer comes', async () => {
  const { clock, leases, said } = held();
  leases.sends(1);
  await clock.pass(5_000);
  leases.sends(2);
  await clock.pass(20_000);
  leases.hear(renewed(1));
  leases.hear(renewed(2));
  expect(said).toEqual([35_000, 40_000]);
});

it.each([
  ['a heartbeat that was never sent', renewed(9)],
  ['another token', renewed(1, 8)],
  ['another mutation', { ...renewed(1), mutation: 'other' }],
])('an answer about %s says nothing', (_, word) => {
  const { leases, said } = held();
  leases.sends(1);
  leases.hear(word);
  expect(said).toEqual([]);
});

it('a heartbeat of long ago is forgotten, so that answers to it count no more', () => {
  const { leases, said } = held();
  for (let seq = 1; seq <= 100; seq += 1) leases.sends(seq);
  leases.hear(renewed(1));
  expect(said).toEqual([]);
  leases.hear(renewed(100));
  expect(said).toEqual([60_000]);
});

it('what was lost, or let go of, is not named any more, and hears nothing', () => {
  const one = held();
  one.leases.sends(1);
  expect(one.leases.named).toEqual([HOLDING]);
  one.leases.hear({ type: 'lease_lost', mutation: 'm', fence: 7, words: 'It is rolling_back.' });
  one.leases.hear(renewed(1));
  expect(one.said).toEqual(['lease_lost: It is rolling_back.']);
  expect(one.leases.named).toEqual([]);

  const other = held();
  other.leases.sends(1);
  other.letGo();
  other.leases.hear(renewed(1));
  expect([other.said, other.leases.named]).toEqual([[], []]);
});

it('names no more than a controller reads', () => {
  const { leases } = held();
  for (let count = 0; count < 1_000; count += 1) {
    leases.hold({ mutation: `m${count}`, fence: 1 }, { renewed: () => {}, lost: () => {} });
  }
  expect(leases.named.length).toBe(256);
});
