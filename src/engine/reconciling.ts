import type { CommandBody } from '../core/command.ts';
import { isFinal, type Mutation, type MutationId } from '../core/mutation/mutation.ts';
import { floorsOf } from '../core/snapshot/floor.ts';
import type { State } from '../core/state.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Log } from '../ports/log.ts';
import type { Storage, Stored } from '../ports/storage.ts';
import { refusal, RefusedError } from '../base/refusal.ts';
import { destroyedOf } from './facts.ts';

export interface ReconcilingPorts {
  readonly ledger: Ledger;
  readonly storage: Pick<Storage, 'list'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the engine lends for it. */
export interface Reconciled {
  readonly state: () => State;
  readonly stopping: () => boolean;
  readonly find: (id: MutationId) => Promise<Mutation | undefined>;
  readonly tell: (body: CommandBody) => void;
  readonly alsoEnded: (mutations: readonly Mutation[]) => Promise<boolean>;
}

/** Of the mutations that have ended, only so many of the newest are looked for on the storage. */
const RECENT_MAX = 1_000;
/** After so many look-ups other work gets its turn. */
const LOOKUPS_A_TURN = 100;
/** So many that ended are told to the storage in one call. */
const TOLD_AT_ONCE = 256;
const RETRY_MS = 30_000;

/**
 * For a ledger without records: the numbers to begin above. Tokens outlive the ledger, because whoever was given one may still
 * be there; so this is known before anybody is cleared.
 *
 * @throws RefusedError `selftest_failed` when the storage cannot be listed: then no token is known to be new
 */
export async function floorsFor({
  ledger,
  storage,
}: Pick<ReconcilingPorts, 'ledger' | 'storage'>): Promise<{ fenceFloor?: number; namedFloor?: number }> {
  if ((await ledger.head()) !== undefined) return {};
  const stored = await storage.list().catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new RefusedError(
      refusal(
        'selftest_failed',
        `The ledger is new, and the storage could not be asked which fencing tokens were given before: ${why}.`,
      ),
    );
  });
  const { fence, namedAt } = floorsOf(stored);
  return { ...(fence > 0 ? { fenceFloor: fence } : {}), ...(namedAt > 0 ? { namedFloor: namedAt } : {}) };
}

/** Holds the ledger against the storage, in the background of a controller that works already, until it was done once. */
export async function reconcile(engine: Reconciled, ports: ReconcilingPorts): Promise<void> {
  while (!engine.stopping()) {
    try {
      return await compare(engine, ports);
    } catch (error) {
      if (engine.stopping()) return;
      const message = error instanceof Error ? error.message : String(error);
      ports.log.warn({ error: message }, 'the ledger could not be held against the storage; it is tried again');
      await new Promise<void>((resolve) => ports.clock.after(RETRY_MS, resolve));
    }
  }
}

async function compare(engine: Reconciled, ports: ReconcilingPorts): Promise<void> {
  const { ledger, storage } = ports;
  // Before the list: what is frozen meanwhile cannot seem to be missing.
  const open = [...engine.state().mutations.values()].filter((mutation) => mutation.clearedAt !== undefined);
  const ended = (await ledger.query({ limit: RECENT_MAX })).filter(
    ({ stage }) => stage === 'committed' || stage === 'rolled_back',
  );
  const stored = (await storage.list()).toSorted((a, b) => b.createdAt - a.createdAt || (a.name < b.name ? -1 : 1));
  const pace = pacing(ports.clock);

  const unknown: Stored[] = [];
  const untold = new Set<MutationId>();
  for (const one of stored) {
    await pace();
    if (engine.stopping()) return;
    const mutation = await engine.find(one.mutation);
    if (mutation === undefined) unknown.push(one);
    else if (isFinal(mutation) && one.outcome !== mutation.stage) untold.add(mutation.id);
  }

  const there = new Set(stored.map(({ name }) => name));
  const missing = [];
  for (const mutation of new Map([...ended, ...open].map((one) => [one.id, one])).values()) {
    const gone = mutation.snapshots.filter(({ name }) => !there.has(name) && !engine.state().condemned.has(name));
    if (gone.length === 0) continue;
    await pace();
    const destroyed = new Set(await destroyedOf(mutation.id, [], ledger));
    for (const { name } of gone) if (!destroyed.has(name)) missing.push({ name, mutation: mutation.id });
  }
  if (engine.stopping()) return;
  const { fence: fenceFloor } = floorsOf(unknown);
  engine.tell({ type: 'reconcile', unknown: unknown.map(({ name }) => name), missing, fenceFloor });

  const ids = [...untold];
  for (let done = 0; done < ids.length; done += TOLD_AT_ONCE) {
    const mutations = await Promise.all(ids.slice(done, done + TOLD_AT_ONCE).map((id) => engine.find(id)));
    const still = mutations.filter((mutation) => mutation !== undefined && isFinal(mutation)) as Mutation[];
    // When that fails the storage has trouble of its own: the rest is for the next start.
    if (!(await engine.alsoEnded(still))) return;
  }
}

/** Looking up is quick, but thousands of look-ups in a row would keep everybody waiting. */
function pacing(clock: Clock): () => Promise<void> {
  let done = 0;
  return async () => {
    done += 1;
    if (done % LOOKUPS_A_TURN === 0) await new Promise<void>((resolve) => clock.soon(resolve));
  };
}
