import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

import { type Held, tryLock } from './lock.ts';

/** The logs of so many runs are kept. */
const RUNS_KEPT = 20;

/** What one run has to itself. Disks and keys go with it, logs stay. */
export interface Run {
  /** Logs: consoles, journals, transcripts. */
  readonly logs: string;
  /** Disks, cargo and keys. */
  readonly scratch: string;
  /** With a short path, for sockets. */
  readonly sockets: string;
  readonly close: () => void;
}

/** Where images and logs are: `$HAUKI_LAB_CACHE`, or `hauki-lab` in the user's cache directory. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  const own = env['HAUKI_LAB_CACHE'];
  if (own !== undefined && own !== '') return own;
  const xdg = env['XDG_CACHE_HOME'];
  return join(xdg?.startsWith('/') === true ? xdg : join(homedir(), '.cache'), 'hauki-lab');
}

export function openRun(cache: string, at: Date): Run {
  const runs = join(cache, 'runs');
  mkdirSync(runs, { recursive: true });
  clearOut(runs);
  const logs = mkdtempSync(join(runs, `${at.toISOString().slice(0, 19).replaceAll(':', '')}-`));
  // Just made, so nobody else holds it.
  const held = tryLock(join(logs, '.lock')) as Held;
  const scratch = join(logs, 'scratch');
  mkdirSync(scratch, { mode: 0o700 });
  const sockets = mkdtempSync(join(tmpdir(), 'hauki-lab-'));
  // For whoever clears out after a run that could not.
  symlinkSync(sockets, join(scratch, 'sockets'));
  return {
    logs,
    scratch,
    sockets,
    close: () => {
      rmSync(scratch, { recursive: true, force: true });
      rmSync(sockets, { recursive: true, force: true });
      held.close();
    },
  };
}

/** Removes the disks of runs that were killed before they could, and old logs; a run that goes on holds its lock. */
function clearOut(runs: string): void {
  const newestFirst = readdirSync(runs).toSorted().toReversed();
  for (const [index, name] of newestFirst.entries()) {
    const folder = join(runs, name);
    const held = tryLock(join(folder, '.lock'));
    if (held === undefined) continue;
    if (index >= RUNS_KEPT) rmSync(folder, { recursive: true, force: true });
    else clearScratch(join(folder, 'scratch'));
    held.close();
  }
}

function clearScratch(scratch: string): void {
  if (!existsSync(scratch)) return;
  const sockets = join(scratch, 'sockets');
  if (existsSync(sockets)) rmSync(realpathSync(sockets), { recursive: true, force: true });
  rmSync(scratch, { recursive: true, force: true });
}
