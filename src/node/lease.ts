import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import type { Attached, Client } from '../client/client.ts';
import type { Clock } from '../ports/clock.ts';
import type { Renewals } from './held-leases.ts';
import type { Cleared, MutationAsk, MutationView } from '../wire/http.ts';

export interface LeaseOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** Brings back a controller that went away, where it is ours to start. */
  readonly ensure: () => Promise<void>;
  /** Heartbeats that keep it as well: then it is asked for only when they do not. */
  readonly renewals?: Renewals;
  /** Told once that an answer is waited for, when that takes longer than a moment: why, and for how long at most, ms. */
  readonly waiting?: (why: Refusal, msMax: number) => void;
}

/** A lease ends for its holder this much before it ends for the controller, so that the work has stopped by then. */
const STOP_MS_MAX = 5_000;
/** Share of it that goes by before it is renewed; where heartbeats do that, before they are not waited for any more. */
const SHARE_UNRENEWED = 1 / 3;
const SHARE_UNRENEWED_CARRIED = 1 / 2;
const RETRY_MS = 200;
/** How long a controller that is there but cannot do it (a full disk) is asked again. */
const UNABLE_MS_MAX = 10_000;
/** After so long without an answer whoever waits is told what for. */
const TELL_MS = 1_000;

/**
 * The holder's side of a clearance: keeps the connection it hangs on, renews it, and knows by its own monotonic clock when it must
 * have stopped working. A lease that is lost aborts `lost`; the reason is the abort's.
 */
export class Lease {
  readonly cleared: Cleared;
  readonly #options: LeaseOptions;
  readonly #lost = new AbortController();
  #attached: Attached;
  /** Monotonic ms: the controller's lease ends no earlier than this. */
  #endsMono: number;
  #cancelTimers: (() => void)[] = [];
  #letGo: () => void = () => {};
  /** The controller's last word on it came by heartbeat. */
  #carried = false;
  #renewing = false;
  /** Nothing more is done to keep it. */
  #over = false;
  #released = false;

  private constructor(attached: Attached, cleared: Cleared, askedMono: number, options: LeaseOptions) {
    this.#attached = attached;
    this.cleared = cleared;
    this.#options = options;
    this.#endsMono = askedMono + cleared.ttlMs;
  }

  /**
   * Waits for clearance.
   *
   * @param signal ends the wait, and nothing after it; its reason is thrown then
   * @throws RefusedError when it is denied, or the controller cannot be reached
   */
  static async acquire(ask: MutationAsk, options: LeaseOptions, signal?: AbortSignal): Promise<Lease> {
    const { client, clock, ensure } = options;
    for (let restarts = 0; ; restarts += 1) {
      const askedMono = clock.mono();
      try {
        const attached = await client.requestAttached(ask, signal);
        if (attached.decision.status === 'cleared') {
          const lease = new Lease(attached, attached.decision, askedMono, options);
          // The clearance may be much younger than the question, after a long wait. Renewing tells how long it really lasts.
          if (clock.mono() - askedMono > attached.decision.ttlMs * SHARE_UNRENEWED)
            await lease.#renew().catch((error: unknown) => {
              // Nobody works under it: the connection's end says so at once, and not the lease's.
              lease.release();
              throw error;
            });
          lease.#watch();
          return lease;
        }
        const { code, message, hint, evidence } = attached.decision;
        throw new RefusedError(refusal(code, message, hint, evidence));
      } catch (error) {
        signal?.throwIfAborted();
        // The controller went away while the request waited: nothing was executed, so it can be asked again, once.
        const again =
          error instanceof RefusedError &&
          ['controller_unreachable', 'controller_restarted'].includes(error.refusal.code);
        if (!again || restarts > 0) throw error;
        await ensure();
      }
    }
  }

  /** Aborts when the clearance is no longer the holder's: stop working at once. Its reason is a Refusal. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Asks once more, right before the work begins: this process may have slept since the answer was sent, and the clearance may
   * have been taken back meanwhile, when there was no process yet that could have been stopped.
   *
   * @throws RefusedError when it does not stand, or nobody can say whether it does: then the work must not begin
   */
  async confirm(): Promise<void> {
    const { mutation, fence } = this.cleared;
    const view = await this.#asking((client) => client.show(mutation));
    if (view.stage === 'cleared' && view.fence === fence && !this.lost.aborted) return;
    throw new RefusedError(
      refusal('cancelled', `The clearance of mutation ${mutation} was taken back before the work began.`),
    );
  }

  /** The work succeeded. @throws RefusedError when it is not known or not true that it was committed */
  async commit(): Promise<MutationView> {
    return this.#end((client) => client.commit(this.cleared.mutation, this.cleared.fence));
  }

  /** The work failed. @throws RefusedError when it is not known or not true that it was rolled back */
  async rollback(): Promise<MutationView> {
    return this.#end((client) => client.rollback(this.cleared.mutation, this.cleared.fence));
  }

  /** Lets go without a word: the controller sees the connection close, and undoes the change. */
  release(): void {
    this.#stopKeeping();
    this.#released = true;
    this.#attached.close();
  }

  async #end(call: (client: Client) => Promise<MutationView>): Promise<MutationView> {
    this.#stopKeeping();
    try {
      return await this.#asking(call);
    } finally {
      this.release();
    }
  }

  /** An answer that was lost is asked for again: the token makes sure that it is the same answer. */
  async #asking<T>(call: (client: Client) => Promise<T>): Promise<T> {
    const { client, clock, ensure, waiting } = this.#options;
    const begunMono = clock.mono();
    let told = false;
    for (;;) {
      try {
        return await call(client);
      } catch (error) {
        if (!unreachable(error) || clock.mono() > this.#endsMono) throw error;
        // Away, it may come back any moment. Unable, it stays unable until somebody does something: people want to know.
        const why = await ensure().then(
          () => error,
          (refused: unknown) => refused,
        );
        const waitedMs = clock.mono() - begunMono;
        if (!isAway(why) && waitedMs > UNABLE_MS_MAX) throw new RefusedError(reasonIn(why));
        if (!told && waitedMs >= TELL_MS) {
          told = true;
          waiting?.(reasonIn(why), this.#endsMono - clock.mono());
        }
        await this.#pause();
      }
    }
  }

  #watch(): void {
    void this.#listen();
    this.#schedule();
    this.#ride();
  }

  /** On the heartbeats of the node it was cleared for, where they are there. */
  #ride(): void {
    const { renewals } = this.#options;
    const { mutation, fence, node } = this.cleared;
    if (renewals === undefined || renewals.node !== node) return;
    const renewed = (endsMono: number): void => {
      this.#carried = true;
      this.#endsMono = Math.max(this.#endsMono, endsMono);
      this.#schedule();
    };
    this.#letGo = renewals.hold({ mutation, fence }, { renewed, lost: (reason) => this.#lose(reason) });
  }

  /** Hears what the controller says about the clearance; hangs it on a new connection when the old one broke. */
  async #listen(): Promise<void> {
    for (;;) {
      for await (const line of this.#attached.after) {
        if (line.status === 'revoked') return this.#lose(refusal(line.code, line.message, line.hint));
      }
      while (!this.#over) {
        try {
          this.#attached = await this.#options.client.attach(this.cleared.mutation, this.cleared.fence);
          break;
        } catch (error) {
          if (!unreachable(error)) return this.#lose(reasonIn(error));
          await this.#options.ensure().catch(() => undefined);
          await this.#pause();
        }
      }
      // While the outcome is being told, the connection still says that somebody is there to tell it.
      if (this.#released) this.#attached.close();
      if (this.#over) return;
    }
  }

  /** The next renewal, and the end if none succeeds. */
  #schedule(): void {
    if (this.#over) return;
    const { clock } = this.#options;
    const { ttlMs } = this.cleared;
    const stopMs = this.#endsMono - Math.min(ttlMs / 4, STOP_MS_MAX) - clock.mono();
    for (const cancel of this.#cancelTimers) cancel();
    this.#cancelTimers = [
      clock.after(Math.max(this.#dueMs, 0), () => void this.#keepRenewing()),
      clock.after(Math.max(stopMs, 0), () =>
        this.#lose(
          refusal('lease_expired', `The lease of mutation ${this.cleared.mutation} could not be renewed in time.`),
        ),
      ),
    ];
  }

  /** Until the lease is to be renewed by asking for it, ms. */
  get #dueMs(): number {
    const { ttlMs } = this.cleared;
    const share = this.#carried ? SHARE_UNRENEWED_CARRIED : SHARE_UNRENEWED;
    return this.#endsMono - ttlMs * (1 - share) - this.#options.clock.mono();
  }

  /** Until it succeeds, or a heartbeat has done it. */
  async #keepRenewing(): Promise<void> {
    if (this.#renewing) return;
    this.#renewing = true;
    try {
      while (!this.#over && this.#dueMs <= 0) {
        try {
          await this.#renew();
          this.#schedule();
        } catch (error) {
          if (!unreachable(error)) return this.#lose(reasonIn(error));
          await this.#pause();
        }
      }
    } finally {
      this.#renewing = false;
    }
    this.#schedule();
  }

  async #renew(): Promise<void> {
    const askedMono = this.#options.clock.mono();
    await this.#options.client.renew(this.cleared.mutation, this.cleared.fence);
    this.#endsMono = Math.max(this.#endsMono, askedMono + this.cleared.ttlMs);
    this.#carried = false;
  }

  #lose(reason: Refusal): void {
    if (this.#over) return;
    this.#stopKeeping();
    this.#lost.abort(reason);
  }

  #stopKeeping(): void {
    this.#over = true;
    this.#letGo();
    for (const cancel of this.#cancelTimers) cancel();
    this.#cancelTimers = [];
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(RETRY_MS, resolve));
  }
}

function isAway(error: unknown): boolean {
  return error instanceof RefusedError && error.refusal.code === 'controller_unreachable';
}

function unreachable(error: unknown): boolean {
  if (!(error instanceof RefusedError)) return false;
  return ['controller_unreachable', 'controller_stopping', 'ledger_unavailable', 'overloaded'].includes(
    error.refusal.code,
  );
}

function reasonIn(error: unknown): Refusal {
  return error instanceof RefusedError ? error.refusal : refusal('internal', String(error));
}
