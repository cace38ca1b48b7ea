import type { Code } from '../../src/base/codes.ts';
import { refusal, type Refusal, RefusedError } from '../../src/base/refusal.ts';
import type { Attached, Client } from '../../src/client/client.ts';
import { Lease, type LeaseOptions } from '../../src/node/lease.ts';
import type { Cleared, Denied, Revoked } from '../../src/wire/http.ts';

/* The holder's side of a clearance, with a controller that does as it is told and a clock that is turned by hand. */

export const TTL_MS = 60_000;
export const CLEARED = {
  status: 'cleared',
  mutation: 'm',
  fence: 7,
  ttlMs: TTL_MS,
  snapshot: 's',
  snapshots: ['s'],
} as unknown as Cleared;
export const ASK = { intent: 'x', datasets: ['/x'] };

export function refused(code: Code): RefusedError {
  return new RefusedError(refusal(code, code));
}

/** A connection whose end the test decides. */
export class Wire implements Attached {
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

export class World {
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
  /** Codes and ms of what whoever waits was told. */
  readonly told: [Code, number][] = [];

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
    waiting: ({ code }, msMax) => void this.told.push([code, msMax]),
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

export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export async function held(): Promise<{ world: World; lease: Lease }> {
  const world = new World();
  return { world, lease: await Lease.acquire(ASK, world.options) };
}

export const why = (lease: Lease): Code | undefined =>
  lease.lost.aborted ? (lease.lost.reason as Refusal).code : undefined;
