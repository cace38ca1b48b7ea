import { formatDuration } from '../../base/duration.ts';
import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import type { Client } from '../../client/client.ts';
import { anyOverlapping } from '../../core/dataset.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CommandAsk, Ran } from '../../ports/mcp.ts';
import type { Reach } from '../../ports/reach.ts';
import type {
  Cleared,
  DiffView,
  LockList,
  MutationAsk,
  MutationDetail,
  MutationList,
  MutationView,
  PlanView,
} from '../../wire/http.ts';
import type { NodeList } from '../../wire/mesh.ts';
import { Lease } from '../lease.ts';
import { runGuarded } from './running.ts';

export interface AgentOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** Brings back a controller that is not there, where it is ours to start. */
  readonly ensure: () => Promise<void>;
  /** As whom to ask; undefined: the controller knows. */
  readonly node?: string;
  /** Where its commands are run; undefined: none are. */
  readonly reach?: Reach;
  /**
   * Many speak as this one, who cannot be told apart: a clearance is kept only by calls that are about it, and whoever asks for what
   * another holds waits for it.
   */
  readonly shared?: boolean;
  /** Called before anything is asked for: what is not to be asked of a controller at all is refused here. */
  readonly before?: (ask: MutationAsk) => Promise<void>;
}

type Ask = Pick<MutationAsk, 'intent'> & {
  readonly datasets: readonly string[];
  readonly ttl?: string | undefined;
  readonly wait?: string | undefined;
  readonly recursive?: boolean | undefined;
};

interface Call {
  /** What it is about, where that is said. */
  readonly mutation: string | undefined;
  readonly done: Promise<unknown>;
}

interface Held {
  readonly lease: Lease;
  readonly datasets: readonly { readonly name: string }[];
  /** Ends the counting of silence. */
  silence: () => void;
}

/** Of clearances that ended without the agent's doing, so many are remembered, to say why. */
const LOST_MAX = 100;

/**
 * An agent's side of its clearances: keeps them while it lives, and lets go of them when it is gone or has been silent for as long as
 * a clearance's ttl; then the controller undoes the change.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #held = new Map<string, Held>();
  readonly #lost = new Map<string, Refusal>();
  readonly #gone = new AbortController();
  /** Under way. */
  readonly #calls = new Set<Call>();
  #news: string[] = [];

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  get runs(): boolean {
    return this.#options.reach !== undefined;
  }

  /** True while it holds something, or something is being done for it. */
  get busy(): boolean {
    return this.#held.size > 0 || this.#calls.size > 0;
  }

  async during<T>(work: () => Promise<T>, mutation?: string): Promise<T> {
    const call: Call = { mutation, done: work() };
    this.#calls.add(call);
    for (const [id, held] of this.#held) if (this.#concerns(call, id)) held.silence();
    try {
      return (await call.done) as T;
    } finally {
      this.#calls.delete(call);
      for (const [id, held] of this.#held) if (this.#concerns(call, id)) this.#listen(id, held);
    }
  }

  news(): readonly string[] {
    const news = this.#news;
    this.#news = [];
    return news;
  }

  async clear(ask: Ask, signal: AbortSignal): Promise<Cleared> {
    const asked = await this.#prepared(ask);
    const { client, clock, ensure } = this.#options;
    const lease = await waited(AbortSignal.any([signal, this.#gone.signal]), async (until) => {
      const acquired = await Lease.acquire(asked, { client, clock, ensure }, until);
      try {
        await acquired.confirm();
        // Whoever asked may have gone away meanwhile, and would never hear of it.
        until.throwIfAborted();
        return acquired;
      } catch (error) {
        acquired.release();
        throw error;
      }
    });
    const { mutation } = lease.cleared;
    const held: Held = { lease, datasets: ask.datasets.map((name) => ({ name })), silence: () => undefined };
    this.#held.set(mutation, held);
    lease.lost.addEventListener('abort', () => this.#lose(mutation, lease.lost.reason as Refusal));
    this.#listen(mutation, held);
    // Ended, or lost, in this very moment: then it is not answered as if it were held.
    if (this.#gone.signal.aborted) this.#drop(mutation, held);
    this.#gone.signal.throwIfAborted();
    if (lease.lost.aborted) {
      const reason = lease.lost.reason as Refusal;
      this.#lose(mutation, reason);
      throw new RefusedError(reason);
    }
    return lease.cleared;
  }

  async commit(mutation: string, fence: number): Promise<MutationView> {
    const held = this.#held.get(mutation);
    if (held === undefined) throw new RefusedError(await this.#notHeld(mutation));
    return this.#end(mutation, held, fence, 'commit');
  }

  async rollback(mutation: string, fence?: number): Promise<MutationView> {
    const held = this.#held.get(mutation);
    if (held !== undefined) return this.#end(mutation, held, fence ?? held.lease.cleared.fence, 'rollback');
    // With a token it means its own, and it has none.
    if (fence !== undefined) throw new RefusedError(await this.#notHeld(mutation));
    return this.#asking((client) => client.rollback(mutation));
  }

  async run(ask: Ask, command: CommandAsk, signal: AbortSignal): Promise<Ran> {
    const { reach, client, clock, ensure } = this.#options;
    if (reach === undefined) {
      throw new RefusedError(
        refusal(
          'forbidden',
          'No commands are run here for this caller.',
          'Run it where you are: "hauki guard", or "hauki mcp" there.',
        ),
      );
    }
    const asked = await this.#prepared(ask);
    if (!(await client.ready())) await ensure();
    return runGuarded(asked, command, { client, clock, reach, signal: AbortSignal.any([signal, this.#gone.signal]) });
  }

  plan(mutation: string): Promise<PlanView> {
    return this.#asking((client) => client.plan(mutation));
  }

  show(mutation: string): Promise<MutationDetail> {
    return this.#asking((client) => client.show(mutation));
  }

  diff(mutation: string): Promise<DiffView> {
    return this.#asking((client) => client.diff(mutation));
  }

  log(query: Readonly<Record<string, string>>): Promise<MutationList> {
    return this.#asking((client) => client.log(query));
  }

  locks(): Promise<LockList> {
    return this.#asking((client) => client.locks());
  }

  nodes(): Promise<NodeList> {
    return this.#asking((client) => client.nodes());
  }

  /** Lets go of everything. Resolves when its commands have ended, and what they did is undone. */
  async end(): Promise<void> {
    this.#gone.abort(new RefusedError(refusal('cancelled', 'The agent went away.')));
    for (const [mutation, held] of this.#held) this.#drop(mutation, held);
    await Promise.allSettled([...this.#calls].map(({ done }) => done));
  }

  /** @throws RefusedError for what would only wait for this agent itself, or must not be asked */
  async #prepared({ intent, datasets, ttl, wait, recursive }: Ask): Promise<MutationAsk> {
    this.#gone.signal.throwIfAborted();
    const { node, before, shared } = this.#options;
    const wanted = datasets.map((name) => ({ name }));
    for (const [mutation, held] of shared ? [] : this.#held) {
      if (!anyOverlapping(held.datasets, wanted)) continue;
      throw new RefusedError(
        refusal(
          'dataset_busy',
          `You hold it yourself: mutation ${mutation} is open on ${held.datasets.map(({ name }) => name).join(', ')}.`,
          'Work under that clearance, then commit it or roll it back.',
          // Its answer may have been lost.
          { mutation, fence: held.lease.cleared.fence },
        ),
      );
    }
    const ask: MutationAsk = {
      intent,
      datasets: [...datasets],
      ...(node === undefined ? {} : { node }),
      ...(ttl === undefined ? {} : { ttl }),
      ...(wait === undefined ? {} : { wait }),
      ...(recursive ? { recursive } : {}),
    };
    await before?.(ask);
    return ask;
  }

  async #end(mutation: string, held: Held, fence: number, how: 'commit' | 'rollback'): Promise<MutationView> {
    const { lease } = held;
    // An old token is the controller's to refuse, and to put on record.
    if (fence !== lease.cleared.fence) return this.#asking((client) => client[how](mutation, fence));
    // From here on it is no longer held, whatever comes of it: nothing may be changed under it any more.
    held.silence();
    this.#held.delete(mutation);
    return how === 'commit' ? lease.commit() : lease.rollback();
  }

  #concerns({ mutation }: Call, id: string): boolean {
    return !this.#options.shared || mutation === id;
  }

  /** Counts the silence from now on, unless a call is under way. */
  #listen(mutation: string, held: Held): void {
    held.silence();
    if ([...this.#calls].some((call) => this.#concerns(call, mutation))) return;
    const { ttlMs } = held.lease.cleared;
    held.silence = this.#options.clock.after(ttlMs, () => {
      const message = `No call came for ${formatDuration(ttlMs)}, the ttl of mutation ${mutation}.`;
      this.#lose(mutation, refusal('lease_expired', message, UNDONE));
    });
  }

  #lose(mutation: string, reason: Refusal): void {
    const held = this.#held.get(mutation);
    if (held === undefined) return;
    this.#drop(mutation, held);
    this.#lost.set(mutation, reason);
    const [oldest] = this.#lost.keys();
    if (this.#lost.size > LOST_MAX && oldest !== undefined) this.#lost.delete(oldest);
    // Of many that cannot be told apart, the one it is for hears of it when it asks.
    if (this.#options.shared) return;
    this.#news.push(
      `The clearance of mutation ${mutation} was lost: ${reason.message} Change nothing more under it. ${UNDONE}`,
    );
  }

  #drop(mutation: string, { lease, silence }: Held): void {
    silence();
    this.#held.delete(mutation);
    lease.release();
  }

  async #notHeld(mutation: string): Promise<Refusal> {
    const lost = this.#lost.get(mutation);
    if (lost !== undefined) return lost;
    // One that is not there is refused by the controller.
    const { stage } = await this.show(mutation);
    return refusal(
      'lease_lost',
      `This session holds no clearance for mutation ${mutation}, which is ${stage}.`,
      'A clearance belongs to the session that asked for it, and ends with it: ask with request_clearance.',
    );
  }

  /** A controller that is ours to start is started when it is not there. */
  async #asking<T>(call: (client: Client) => Promise<T>): Promise<T> {
    const { client, ensure } = this.#options;
    try {
      return await call(client);
    } catch (error) {
      if (!(error instanceof RefusedError) || error.code !== 'controller_unreachable') throw error;
      await ensure();
      return call(client);
    }
  }
}

const UNDONE = 'The change is undone; the failed state is kept as evidence.';

/** Ends with its signal, but what comes of it does not: the call's signal may abort as soon as the call was answered. */
async function waited<T>(signal: AbortSignal, wait: (until: AbortSignal) => Promise<T>): Promise<T> {
  const until = new AbortController();
  const end = (): void => until.abort(signal.reason);
  if (signal.aborted) end();
  signal.addEventListener('abort', end);
  try {
    return await wait(until.signal);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
