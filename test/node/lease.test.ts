import { describe, expect, test } from 'vitest';

import { refusal } from '../../src/base/refusal.ts';
import { Lease } from '../../src/node/lease.ts';
import { ASK, held, refused, settle, TTL_MS, why, Wire, World } from './lease-world.ts';

/* The holder's side of a clearance. */

describe('asking', () => {
  test('a denial is thrown, with its reason', async () => {
    const world = new World();
    world.plan.request.push(() => new Wire({ status: 'denied', ...refusal('lock_timeout', 'busy') }));
    await expect(Lease.acquire(ASK, world.options)).rejects.toMatchObject({ refusal: { code: 'lock_timeout' } });
    expect(world.count('request')).toBe(1);
  });

  test('a controller that went away is brought back and asked once more', async () => {
    const world = new World();
    world.plan.request.push(() => refused('controller_unreachable'));
    await Lease.acquire(ASK, world.options);
    expect(world.ensured).toBe(1);
    expect(world.count('request')).toBe(2);
  });

  test('but not twice', async () => {
    const world = new World();
    world.plan.request.push(
      () => refused('controller_restarted'),
      () => refused('controller_unreachable'),
    );
    await expect(Lease.acquire(ASK, world.options)).rejects.toMatchObject({
      refusal: { code: 'controller_unreachable' },
    });
  });

  test('after a wait longer than a third of the lease it is renewed first: nobody knows how old the clearance is', async () => {
    const world = new World();
    world.plan.request.push(() => {
      world.mono += TTL_MS;
      return world.wire();
    });
    const lease = await Lease.acquire(ASK, world.options);
    expect(world.count('renew')).toBe(1);
    expect(why(lease)).toBeUndefined();
  });

  test('and when that is refused, nobody goes on holding it', async () => {
    const world = new World();
    world.plan.request.push(() => {
      world.mono += TTL_MS;
      return world.wire();
    });
    world.plan.renew.push(() => refused('lease_lost'));
    await expect(Lease.acquire(ASK, world.options)).rejects.toMatchObject({ refusal: { code: 'lease_lost' } });
    expect(world.wires.map(({ closed }) => closed)).toEqual([true]);
  });
});

describe('holding', () => {
  test('is renewed every third of the lease, for as long as it is held', async () => {
    const { world, lease } = await held();
    await world.pass(10 * TTL_MS);
    expect(world.count('renew')).toBe(30);
    expect(why(lease)).toBeUndefined();
  });

  test('without an answer it is lost before the lease ends, by the holder’s own clock', async () => {
    const { world, lease } = await held();
    world.plan.renew = Array.from({ length: 10_000 }, () => () => refused('controller_unreachable'));
    await world.pass(TTL_MS - 5_001);
    expect(why(lease)).toBeUndefined();
    await world.pass(2);
    expect(why(lease)).toBe('lease_expired');
  });

  test('an answer that never comes is no answer', async () => {
    const { world, lease } = await held();
    world.plan.renew = [() => new Promise(() => {})];
    await world.pass(TTL_MS);
    expect(why(lease)).toBe('lease_expired');
  });

  test('counts from when it asked, not from when the answer came', async () => {
    const { world, lease } = await held();
    // The renewal at a third of the lease takes almost as long as the rest of it.
    world.plan.renew = [
      () =>
        new Promise((resolve) => {
          world.options.clock.after(TTL_MS / 3, () => resolve({}));
        }),
      ...Array.from({ length: 10_000 }, () => () => refused('controller_unreachable')),
    ];
    await world.pass(TTL_MS / 3 + TTL_MS - 5_001);
    expect(why(lease)).toBeUndefined();
    await world.pass(2);
    expect(why(lease)).toBe('lease_expired');
  });

  test('a renewal that is refused loses it at once', async () => {
    const { world, lease } = await held();
    world.plan.renew = [() => refused('fence_stale')];
    await world.pass(TTL_MS / 3);
    expect(why(lease)).toBe('fence_stale');
  });

  test('what the controller takes back is lost at once', async () => {
    const { world, lease } = await held();
    world.wires[0]?.revoke('lease_expired');
    await settle();
    expect(why(lease)).toBe('lease_expired');
  });

  test('a broken connection is replaced, the controller brought back', async () => {
    const { world, lease } = await held();
    world.plan.attach = [() => refused('controller_unreachable'), () => refused('controller_unreachable')];
    world.wires[0]?.break();
    await world.pass(1_000);
    expect(world.count('attach')).toBe(3);
    expect(world.ensured).toBe(2);
    expect(why(lease)).toBeUndefined();
    world.wires[1]?.revoke('holder_gone');
    await settle();
    expect(why(lease)).toBe('holder_gone');
  });

  test('when hanging on again is refused, it is lost', async () => {
    const { world, lease } = await held();
    world.plan.attach = [() => refused('lease_lost')];
    world.wires[0]?.break();
    await settle();
    expect(why(lease)).toBe('lease_lost');
  });
});

describe('ending', () => {
  test('commits once, lets go of the connection, and asks for nothing more', async () => {
    const { world, lease } = await held();
    expect(await lease.commit()).toMatchObject({ stage: 'committed' });
    expect(world.wires[0]?.closed).toBe(true);
    await world.pass(10 * TTL_MS);
    expect(world.calls).toEqual(['request', 'commit']);
    expect(why(lease)).toBeUndefined();
  });

  test('an answer that was lost is asked for again', async () => {
    const { world, lease } = await held();
    world.plan.commit = [() => refused('controller_unreachable'), () => refused('ledger_unavailable')];
    const done = lease.commit();
    await world.pass(1_000);
    expect(await done).toMatchObject({ stage: 'committed' });
    expect(world.count('commit')).toBe(3);
    expect(world.ensured).toBe(2);
  });

  test('until the lease is over: then nobody knows', async () => {
    const { world, lease } = await held();
    world.plan.commit = Array.from({ length: 10_000 }, () => () => refused('controller_unreachable'));
    const done = lease.commit().catch((error: unknown) => error);
    await world.pass(TTL_MS + 1_000);
    expect(await done).toMatchObject({ refusal: { code: 'controller_unreachable' } });
  });

  test.each([
    ['a moment is waited for in silence', 4, []],
    ['after a second whoever waits is told once, why and for how long at most', 20, [TTL_MS - 1_000]],
  ])('%s', async (_, failures, told) => {
    const { world, lease } = await held();
    world.plan.rollback = Array.from({ length: failures }, () => () => refused('controller_unreachable'));
    const done = lease.rollback();
    await world.pass(10_000);
    expect(await done).toMatchObject({ stage: 'rolled_back' });
    expect(world.told).toEqual(told.map((msMax) => ['controller_unreachable', msMax]));
  });

  test('a refusal is thrown at once', async () => {
    const { world, lease } = await held();
    world.plan.rollback = [() => refused('rollback_failed')];
    await expect(lease.rollback()).rejects.toMatchObject({ refusal: { code: 'rollback_failed' } });
    expect(world.count('rollback')).toBe(1);
  });

  test('while it hangs on again, the new connection is not closed before the outcome is told', async () => {
    const { world, lease } = await held();
    let attached = (_wire: Wire): void => {};
    world.plan.attach = [() => new Promise<Wire>((resolve) => (attached = resolve))];
    let committed = (_view: unknown): void => {};
    world.plan.commit = [() => new Promise((resolve) => (committed = resolve))];
    world.wires[0]?.break();
    await settle();
    const done = lease.commit();
    await settle();
    const wire = new Wire();
    attached(wire);
    await settle();
    // Closed now, the controller would take the holder for dead and undo the change.
    expect(wire.closed).toBe(false);
    committed({ stage: 'committed' });
    expect(await done).toMatchObject({ stage: 'committed' });
    expect(wire.closed).toBe(true);
  });

  test('a connection that comes after the end is closed', async () => {
    const { world, lease } = await held();
    let attached = (_wire: Wire): void => {};
    world.plan.attach = [() => new Promise<Wire>((resolve) => (attached = resolve))];
    world.wires[0]?.break();
    await settle();
    await lease.commit();
    const wire = new Wire();
    attached(wire);
    await settle();
    expect(wire.closed).toBe(true);
  });
});
