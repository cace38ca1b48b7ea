import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import type { Traceparent } from '../base/traceparent.ts';
import type { Client } from '../client/client.ts';
import type { Clock } from '../ports/clock.ts';
import type { Cleared, MutationAsk, MutationView } from '../wire/http.ts';
import type { Renewals } from './held-leases.ts';
import { Lease } from './lease.ts';
import { settled } from './outcome.ts';

/** How long to ask what became of a mutation whose end was not confirmed. */
const OUTCOME_MS_MAX = 10_000;

/** What the work knows of the clearance it runs under. */
export interface Guarded {
  readonly mutation: string;
  /** The fencing token: hand it to whatever can refuse an older one. */
  readonly fence: number;
  /** The first of the snapshots. */
  readonly snapshot: string;
  readonly snapshots: readonly string[];
  readonly node: string;
  readonly driver: string;
  /** Aborts when the clearance is lost, with a RefusedError as its reason: stop at once, the state is being put back. */
  readonly signal: AbortSignal;
  /** For programs the work starts: by these variables the controller finds them, and ends them before it puts the state back. */
  readonly env: Readonly<Record<'HAUKI_MUTATION' | 'HAUKI_FENCE' | 'HAUKI_SNAPSHOT' | 'HAUKI_INTENT', string>> & {
    /** The trace that the clearance was asked for in, where there is one. */
    readonly TRACEPARENT?: string;
  };
}

/** What became of the state, beside an error that came out of `guard`. */
export interface Outcome {
  readonly mutation: string;
  /** `unknown`: the controller could not be asked. Ask it later, by the mutation's id. */
  readonly stage: 'committed' | 'rolled_back' | 'quarantined' | 'unknown';
  /** Where the failed state is kept. */
  readonly evidence: MutationView['evidence'];
  /** Why the controller ended it, or why its end is not known. */
  readonly reason?: Refusal;
}

export interface GuardOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** The caller's wish to stop: ends the wait for clearance, or the work, which is undone then. */
  readonly signal?: AbortSignal;
  /** What keeps the clearance besides calls to the controller: the heartbeats of the node this runs in. */
  readonly renewals?: Renewals;
}

/**
 * Waits for clearance, does the work, and commits when it resolves; when it throws, puts the state back and throws the same error
 * again, with an Outcome on it (see `outcomeOf`). Work that goes on after `signal` has aborted is waited for: it cannot be stopped
 * from outside, and whoever hears that it failed may count on it having ended.
 *
 * @throws RefusedError when it was denied, and then the work was not begun; or when the clearance was lost, or the commit refused
 */
export async function guarded<T>(
  ask: MutationAsk,
  work: (guarded: Guarded) => T | Promise<T>,
  { client, clock, signal, renewals }: GuardOptions,
): Promise<T> {
  signal?.throwIfAborted();
  const options = { client, clock, ensure: async () => undefined, ...(renewals === undefined ? {} : { renewals }) };
  const lease = await Lease.acquire(ask, options, signal);
  await lease.confirm().catch((error: unknown) => {
    lease.release();
    throw error;
  });

  const stop = new AbortController();
  const lose = (): void => stop.abort(new RefusedError(lease.lost.reason as Refusal));
  const interrupt = (): void => stop.abort(signal?.reason);
  lease.lost.addEventListener('abort', lose);
  signal?.addEventListener('abort', interrupt);
  if (signal?.aborted) interrupt();

  /** The end that was not confirmed, or that the controller brought about. */
  const found = async (reason: Refusal): Promise<Outcome> => {
    lease.release();
    const { mutation } = lease.cleared;
    const view = await settled(mutation, options, OUTCOME_MS_MAX);
    return view === undefined ? { mutation, stage: 'unknown', evidence: [], reason } : outcomeFrom(view, reason);
  };
  const undone = async (): Promise<Outcome> => {
    if (lease.lost.aborted) return found(lease.lost.reason as Refusal);
    try {
      return outcomeFrom(await lease.rollback());
    } catch (error) {
      return found(reasonOf(error));
    }
  };

  try {
    const result = await work(viewOf(lease.cleared, ask.intent, stop.signal, client.address.traceparent));
    stop.signal.throwIfAborted();
    try {
      await lease.commit();
    } catch (error) {
      const outcome = await found(reasonOf(error));
      // The answer was lost, and not the commit.
      if (outcome.stage !== 'committed') throw withOutcome(error, outcome);
    }
    return result;
  } catch (error) {
    if (outcomeOf(error)?.mutation === lease.cleared.mutation) throw error;
    throw withOutcome(error, await undone());
  } finally {
    lease.lost.removeEventListener('abort', lose);
    signal?.removeEventListener('abort', interrupt);
  }
}

function viewOf(cleared: Cleared, intent: string, signal: AbortSignal, traceparent: Traceparent | undefined): Guarded {
  const { mutation, fence, snapshot, snapshots, node, driver } = cleared;
  const env = {
    HAUKI_MUTATION: mutation,
    HAUKI_FENCE: String(fence),
    HAUKI_SNAPSHOT: snapshot,
    HAUKI_INTENT: intent,
    ...(traceparent === undefined ? {} : { TRACEPARENT: traceparent }),
  };
  return { mutation, fence, snapshot, snapshots, node, driver, signal, env };
}

function outcomeFrom({ mutation, stage, evidence, reason }: MutationView, why?: Refusal): Outcome {
  const ended = stage === 'committed' || stage === 'rolled_back' || stage === 'quarantined' ? stage : 'unknown';
  const cause = reason === undefined ? why : refusal(reason.code, reason.message, reason.hint, reason.evidence);
  return { mutation, stage: ended, evidence, ...(cause === undefined ? {} : { reason: cause }) };
}

function reasonOf(error: unknown): Refusal {
  return error instanceof RefusedError ? error.refusal : refusal('internal', String(error));
}

/** What became of the state, when `error` came out of `guard` after clearance; undefined when nothing was begun. */
export function outcomeOf(error: unknown): Outcome | undefined {
  return typeof error === 'object' && error !== null ? (error as { readonly hauki?: Outcome }).hauki : undefined;
}

/** The same error, and not one round it: callers look for their own. Only what cannot carry anything (a text) goes without. */
function withOutcome(error: unknown, outcome: Outcome): unknown {
  if (typeof error === 'object' && error !== null && Object.isExtensible(error))
    Object.defineProperty(error, 'hauki', { value: outcome, enumerable: true, configurable: true });
  return error;
}
