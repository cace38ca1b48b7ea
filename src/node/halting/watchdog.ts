import { spawn } from 'node:child_process';
import { once } from 'node:events';

import type { Argv } from './process.ts';

/**
 * Waits for the pipe to close, which it does when the node dies, or for so many seconds; then thaws. Signals that end a service with all
 * its processes do not end it. The script is always the same: what is particular comes as arguments.
 */
const SCRIPT = 'trap "" TERM HUP INT; timeout -s KILL "$0" cat >/dev/null 2>&1; exec "$@"';

export interface Watchdog {
  /** It is not needed any more, and does nothing. */
  dismiss(): void;
}

/**
 * Starts a process of its own that thaws something at a deadline, whatever becomes of this one: killed, stopped by a signal, hung. It
 * is some small programs of the system, so that it is there in milliseconds and needs nothing of ours.
 *
 * @param fired told when it has acted, or could not even wait
 * @throws when it cannot be started: then nothing may be frozen
 */
export async function watch(thaw: Argv, ms: number, fired: () => void): Promise<Watchdog> {
  const child = spawn('sh', ['-c', SCRIPT, String(Math.ceil(ms / 1_000)), ...thaw], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await once(child, 'spawn');
  let dismissed = false;
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.once('exit', () => {
    if (!dismissed) fired();
  });
  return {
    dismiss: () => {
      dismissed = true;
      // Before its pipe closes, so that it cannot take that for our death.
      child.kill('SIGKILL');
      child.stdin.destroy();
    },
  };
}
