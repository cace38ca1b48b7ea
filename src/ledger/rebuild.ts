import { refusal, RefusedError } from '../base/refusal.ts';
import type { Event, EventBody } from '../core/event.ts';
import { archive, evolve } from '../core/evolve.ts';
import { ledgerHome } from './home.ts';
import { knowsMutations, openForReading } from './sqlite/inspect.ts';
import { openSqliteLedger } from './sqlite/open.ts';

/**
 * Refuses to rebuild what is there. A ledger that only knows of controllers that started on it is no obstacle: whoever wonders where
 * the history has gone has started one.
 *
 * @throws RefusedError `ledger_present`; `ledger_broken`, `ledger_future`, `ledger_unavailable` when it cannot be read
 */
export function refuseUnlessLost(home: string): void {
  const { database: path } = ledgerHome(home);
  const database = openForReading(path);
  try {
    if (database === undefined || !knowsMutations(database)) return;
  } finally {
    database?.close();
  }
  throw new RefusedError(refusal('ledger_present', `The ledger ${path} knows mutations: it is not lost.`));
}

/**
 * Puts restored mutations on record, all or none, so that it can be tried again whatever happens meanwhile. The caller holds the
 * lock of the home.
 *
 * @param fenceFloor the highest token the storage bears witness to, on what could not be restored too: the next one is above it
 * @param now wall clock, ms since the epoch
 * @returns how many records the ledger has now
 */
export async function writeRebuilt(
  home: string,
  bodies: readonly Extract<EventBody, { type: 'rebuilt' }>[],
  fenceFloor: number,
  now: number,
): Promise<number> {
  const ledger = openSqliteLedger(home);
  try {
    const before = await ledger.load();
    // No record is older than what it tells of.
    const at = bodies.reduce((latest, { clearedAt }) => Math.max(latest, clearedAt), Math.max(now, before.counters.at));
    const events = bodies.map((body): Event => ({ at, mono: 0, ...body }));
    if (bodies.every(({ fence }) => fence < fenceFloor))
      events.push({ at, mono: 0, type: 'reconciled', ...before.findings, fenceFloor });
    const state = evolve(before, events);
    await ledger.append(events, [...state.mutations.values()], archive(state));
    return (await ledger.head())?.seq ?? 0;
  } finally {
    await ledger.close();
  }
}
