import { describe, expect, test } from 'vitest';

import { HeldLeases } from '../../src/node/held-leases.ts';
import { Lease } from '../../src/node/lease.ts';
import { ASK, CLEARED, refused, TTL_MS, why, Wire, World } from './lease-world.ts';

/* A clearance that rides on a node's heartbeats. */

/** Held by a node's heartbeats: one every two seconds, answered as `answers` says. */
async function carried(
  answers: (world: World) => number | 'lost' | undefined,
): Promise<{ world: World; lease: Lease; leases: HeldLeases }> {
  const world = new World();
  const { clock } = world.options;
  const leases = new HeldLeases('crm', clock);
  world.plan.request.push(() => new Wire({ ...CLEARED, node: 'crm' }));
  const lease = await Lease.acquire(ASK, { ...world.options, renewals: leases });
  let seq = 0;
  const beat = (): void => {
    clock.after(2_000, beat);
    leases.sends((seq += 1));
    const answer = answers(world);
    const [held] = leases.named;
    if (held === undefined || answer === undefined) return;
    if (answer === 'lost') leases.hear({ type: 'lease_lost', ...held, words: 'gone' });
    else leases.hear({ type: 'renewed', ...held, seq, lastsMs: answer });
  };
  beat();
  return { world, lease, leases };
}

/** A controller that renews when a third has gone. */
function renewing(): () => number {
  let endsMono = TTL_MS;
  let mono = -2_000;
  return () => {
    mono += 2_000;
    if (endsMono - mono <= (TTL_MS * 2) / 3) endsMono = mono + TTL_MS;
    return endsMono - mono;
  };
}

describe('on heartbeats', () => {
  test('it is held for as long as they are answered, and never asked for', async () => {
    const { world, lease, leases } = await carried(renewing());
    await world.pass(20 * TTL_MS);
    expect(why(lease)).toBeUndefined();
    expect(world.calls).toEqual(['request']);
    expect(leases.named).toEqual([{ mutation: 'm', fence: 7 }]);
    await lease.commit();
    expect(leases.named).toEqual([]);
  });

  test('when they are not answered any more, it is asked for', async () => {
    const answer = renewing();
    const { world, lease } = await carried(({ mono }) => (mono < TTL_MS ? answer() : undefined));
    await world.pass(10 * TTL_MS);
    expect(why(lease)).toBeUndefined();
    expect(world.count('renew')).toBeGreaterThan(20);
  });

  test('when neither works, it is lost before it ends for the controller', async () => {
    const answer = renewing();
    const { world, lease } = await carried(({ mono }) => (mono < TTL_MS ? answer() : undefined));
    world.plan.renew = Array.from({ length: 10_000 }, () => () => refused('controller_unreachable'));
    // Renewed last at 40 s.
    await world.pass(TTL_MS + 40_000 - 5_001);
    expect(why(lease)).toBeUndefined();
    await world.pass(2);
    expect(why(lease)).toBe('lease_expired');
  });

  test('an answer that renews nothing puts nothing off', async () => {
    const { world, lease } = await carried(({ mono }) => Math.max(0, TTL_MS - mono));
    world.plan.renew = Array.from({ length: 10_000 }, () => () => refused('controller_unreachable'));
    await world.pass(TTL_MS - 4_999);
    expect(why(lease)).toBe('lease_expired');
  });

  test('a heartbeat that renews it ends the asking', async () => {
    const { world, lease } = await carried(({ mono }) => (mono > TTL_MS / 2 ? TTL_MS : undefined));
    world.plan.renew = Array.from({ length: 10_000 }, () => () => refused('controller_unreachable'));
    await world.pass(TTL_MS / 2 + 10_000);
    const asked = world.count('renew');
    expect(asked).toBeGreaterThan(0);
    await world.pass(10 * TTL_MS);
    expect(world.count('renew')).toBe(asked);
    expect(why(lease)).toBeUndefined();
  });

  test('a refusal loses it at once', async () => {
    const { world, lease, leases } = await carried(({ mono }) => (mono > 10_000 ? 'lost' : TTL_MS - mono));
    await world.pass(12_001);
    expect(why(lease)).toBe('lease_lost');
    expect(leases.named).toEqual([]);
  });

  test('those of another node do not carry it', async () => {
    const world = new World();
    const leases = new HeldLeases('web', world.options.clock);
    world.plan.request.push(() => new Wire({ ...CLEARED, node: 'crm' }));
    await Lease.acquire(ASK, { ...world.options, renewals: leases });
    expect(leases.named).toEqual([]);
    await world.pass(TTL_MS);
    expect(world.count('renew')).toBe(3);
  });
});
