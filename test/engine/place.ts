import { refusal } from '../../src/base/refusal.ts';
import { ok, type Result } from '../../src/base/result.ts';
import type { CommandBody } from '../../src/core/command.ts';
import type { Event } from '../../src/core/event.ts';
import type { Mutation, MutationRequest } from '../../src/core/mutation/mutation.ts';
import { DEFAULT_POLICY } from '../../src/core/policy/policy.ts';
import { Engine, type EngineOptions } from '../../src/engine/engine.ts';
import { Mesh } from '../../src/engine/mesh/mesh.ts';
import { emptyDisk, memoryLedger } from '../../src/ledger/memory/ledger.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import type { Storage } from '../../src/ports/storage.ts';
import { asking, T0 } from '../core/story.ts';

/** Time that passes only when a test says so. */
export class VirtualClock implements Clock {
  wall = T0;
  #mono = 0;
  #plans: { readonly at: number; readonly run: () => void }[] = [];
  /** How many timers fired so far. */
  fired = 0;

  now(): number {
    return this.wall;
  }

  mono(): number {
    return this.#mono;
  }

  after(ms: number, run: () => void): () => void {
    const plan = { at: this.#mono + ms, run };
    this.#plans.push(plan);
    return () => (this.#plans = this.#plans.filter((other) => other !== plan));
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  /** Lets `ms` go by, and everything that falls due in them happen, in order. */
  async pass(ms: number): Promise<void> {
    const end = this.#mono + ms;
    await settled();
    for (;;) {
      const next = this.#plans.filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#plans = this.#plans.filter((plan) => plan !== next);
      this.wall += Math.max(next.at - this.#mono, 0);
      this.#mono = Math.max(next.at, this.#mono);
      this.fired += 1;
      next.run();
      await settled();
    }
    this.wall += end - this.#mono;
    this.#mono = end;
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

type Call = { readonly name: keyof Storage | 'stop'; readonly about: string };

/** An engine over ports that a test can slow down, break and look at. */
export class Place {
  readonly clock = new VirtualClock();
  readonly disk = emptyDisk();
  readonly mesh = new Mesh({ clock: this.clock });
  readonly calls: Call[] = [];
  readonly errors: string[] = [];
  /** Set to make appends fail. */
  full = false;
  /** What a call waits for before it does anything; throw to break it off. */
  before: (call: Call) => Promise<void> | void = () => undefined;
  refuse: (call: Call) => boolean = () => false;
  #ids = 0;

  get events(): Event[] {
    return this.disk.records.map(({ body }) => JSON.parse(body) as Event);
  }

  /** The types of the events about a mutation, in order. */
  story(id: string): string[] {
    return this.events.flatMap((event) => ('mutation' in event && event.mutation === id ? [event.type] : []));
  }

  get options(): EngineOptions {
    return {
      ledger: this.#ledger(),
      storage: this.#storage(),
      processes: { stop: (mutation) => this.#call('stop', mutation, { stopped: 0 }) },
      barrier: this.mesh,
      clock: this.clock,
      ids: { mutation: () => `m${(this.#ids += 1)}` },
      log: { info: () => undefined, warn: () => undefined, error: (_, message) => this.errors.push(message) },
      policy: DEFAULT_POLICY,
      version: 'test',
      node: 'host',
      effectMsMax: 10_000,
    };
  }

  async start(more: Partial<EngineOptions> = {}): Promise<Engine> {
    const starting = Engine.start({ ...this.options, ...more });
    starting.catch(() => undefined);
    await this.clock.pass(0);
    return starting;
  }

  #ledger(): Ledger {
    const ledger = memoryLedger(this.disk);
    return {
      ...ledger,
      append: (events, touched, state) =>
        this.full
          ? Promise.reject(new Error('ENOSPC: no space left on device'))
          : ledger.append(events, touched, state),
    };
  }

  #storage(): Storage {
    const unused = (): never => {
      throw new Error('not part of this test');
    };
    return {
      snapshot: ({ mutation, snapshots }) => {
        const taken = snapshots.map(({ dataset, name }) => ({
          dataset,
          driver: 'memory' as const,
          name,
          guid: `guid of ${name}`,
        }));
        return this.#call('snapshot', mutation, taken);
      },
      discard: (mutation) => this.#call('discard', mutation, undefined),
      rollback: ({ snapshot, evidenceName, attempt, properties }) => {
        const evidence = {
          dataset: snapshot.dataset,
          driver: 'memory' as const,
          name: evidenceName,
          path: '/evidence',
        };
        return this.#call('rollback', `${properties.mutation} ${attempt}`, evidence);
      },
      destroy: ({ name }) => this.#call('destroy', name, undefined),
      seal: (dataset, sealed) => this.#call('seal', `${dataset} ${sealed}`, undefined),
      list: async () => [],
      reclaimable: async () => undefined,
      tend: async () => undefined,
      locate: async () => undefined,
      plan: unused,
      diff: unused,
      scratch: unused,
    };
  }

  async #call<T>(name: Call['name'], about: string, value: T): Promise<Result<T, ReturnType<typeof refusal>>> {
    const call = { name, about };
    this.calls.push(call);
    await this.before(call);
    return this.refuse(call) ? { ok: false, error: refusal('snapshot_failed', 'The storage would not.') } : ok(value);
  }
}

export function request(
  datasets: readonly string[],
  more: Partial<MutationRequest> = {},
  mutation = 'm1',
): CommandBody {
  return { type: 'request', mutation, request: asking(datasets, more) };
}

export const decided = ({ stage }: Mutation): boolean =>
  !['queued', 'halting', 'snapshotting', 'verifying', 'withdrawing'].includes(stage);

/** A promise and the means to settle it. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}
