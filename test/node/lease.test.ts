import { describe, expect, test } from 'vitest';

import type { Code } from '../../src/base/codes.ts';
import { refusal, type Refusal, RefusedError } from '../../src/base/refusal.ts';
import type { Attached, Client } from '../../src/client/client.ts';
import { HeldLeases } from '../../src/node/held-leases.ts';
import { Lease, type LeaseOptions } from '../../src/node/lease.ts';
import type { Cleared, Denied, Revoked } from '../../src/wire/http.ts';

/* The holder's side of a clearance, with a controller that does as it is told and a clock that is turned by hand. */

const TTL_MS = 60_000;
const CLEARED = {
  status: 'cleared',
  mutation: 'm',
  fence: 7,
  ttlMs: TTL_MS,
  snapshot: 's',
  snapshots: ['s'],
} as unknown as Cleared;
const ASK = { intent: 'x', datasets: ['/x'] };

function refused(code: Code): RefusedError {
  return new RefusedError(refusal(code, code));
}

/** A connection whose end the test decides. */
class Wire implements Attached {
  readonly decision: Cleared | Denied;
  closed = false;
  #tell: (line: Revoked | undefined) => void = () => {};

  constructor(decision: Cleared | Denied = CLEARED) {
    this.decision = decision;
  }

  readonly after = this.#lines();
  readonly close = (): void => {
    this.closed = true;
    this.break();
  };

  break(): void {
    this.#tell(undefined);
  }

  revoke(code: Code): void {
    this.#tell({ status: 'revoked', stage: 'rolling_back', ...refusal(code, code) });
  }

  async *#lines(): AsyncGenerator<Revoked> {
    for (;;) {
      const line = await new Promise<Revoked | undefined>((resolve) => (this.#tell = resolve));
      if (line === undefined) return;
      yield line;
    }
  }
}

class World {
  mono = 0;
  #timers: { at: number; run: () => void }[] = [];
  /** What each call of the client does next; nothing said: it works. */
  readonly plan: Record<'request' | 'attach' | 'renew' | 'commit' | 'rollback', (() => unknown)[]> = {
    request: [],
    attach: [],
    renew: [],
    commit: [],
    rollback: [],
  };
  readonly calls: string[] = [];
  readonly wires: Wire[] = [];
  ensured = 0;

  readonly options: LeaseOptions = {
    client: {
      requestAttached: async () => this.#act('request') ?? this.wire(),
      attach: async () => this.#act('attach') ?? this.wire(),
      renew: async () => this.#act('renew') ?? {},
      commit: async () => this.#act('commit') ?? { stage: 'committed' },
      rollback: async () => this.#act('rollback') ?? { stage: 'rolled_back' },
    } as unknown as Client,
    clock: {
      now: () => this.mono,
      mono: () => this.mono,
      after: (ms, run) => {
        const timer = { at: this.mono + ms, run };
        this.#timers.push(timer);
        return () => void (this.#timers = this.#timers.filter((one) => one !== timer));
      },
      soon: (run) => void setImmediate(run),
    },
    ensure: async () => void (this.ensured += 1),
  };

  wire(): Wire {
    const wire = new Wire();
    this.wires.push(wire);
    return wire;
  }

  #act(call: keyof World['plan']): unknown {
    this.calls.push(call);
    const result = this.plan[call].shift()?.();
    if (result instanceof Error) throw result;
    return result;
  }

  /** Lets time go by, timer by timer, with everything that follows from each. */
  async pass(ms: number): Promise<void> {
    const end = this.mono + ms;
    for (;;) {
      await settle();
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.mono = Math.max(this.mono, next.at);
      this.#timers = this.#timers.filter((one) => one !== next);
      next.run();
    }
    this.mono = end;
    await settle();
  }

  count(call: string): number {
    return this.calls.filter((one) => one === call).length;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function held(): Promise<{ world: World; lease: Lease }> {
  const world = new World();
  return { world, lease: await Lease.acquire(ASK, world.options) };
}

const why = (lease: Lease): Code | undefined => (lease.lost.aborted ? (lease.lost.reason as Refusal).code : undefined);

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
