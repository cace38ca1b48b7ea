import { readFileSync, rmSync, writeFileSync } from 'node:fs';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { makeFolder } from '../durable.ts';
import { ledgerHome } from '../home.ts';
import { Database } from './database.ts';
import { isBusy, refused } from './failure.ts';

/** The binding closes a connection that nothing refers to any more, and with it would go the lock: what is held is kept here. */
const held = new Set<Database>();

/**
 * Makes this process the one writer of a HAUKI_HOME, until it calls the function it gets or ends, however it ends.
 *
 * What holds the lock is an exclusive transaction on a small database of its own: a lock in the kernel that goes with the process,
 * so there are no stale locks. (Nobody may open that file otherwise: closing any descriptor of it drops the process's lock.
 * That is why the holder's pid, which only serves the message, stands in a file beside it.)
 *
 * @returns `home_locked` when another process, or another part of this one, has it; `ledger_unavailable` when the home cannot be used
 */
export function acquire(home: string): Result<() => void, Refusal> {
  const paths = ledgerHome(home);
  let database: Database | undefined;
  try {
    makeFolder(home);
    database = new Database(paths.lock, { busyMs: 0 });
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    return err(isBusy(error) ? locked(home, holder(paths.pid)) : refused(`Locking ${home}`, error).refusal);
  }
  held.add(database);
  tellPid(paths.pid);
  return ok(() => {
    if (!held.delete(database)) return;
    // First the words, then the lock: the next holder's pid must not be the one removed.
    rmSync(paths.pid, { force: true });
    database.close();
  });
}

function tellPid(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // A full disk: the lock holds all the same, only the message to others says less.
  }
}

function locked(home: string, pid: number | undefined): Refusal {
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return refusal('home_locked', `HAUKI_HOME ${home} is in use by ${who}.`, undefined, pid === undefined ? {} : { pid });
}

function holder(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim());
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
