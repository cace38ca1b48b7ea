import { spawn } from 'node:child_process';

/**
 * Waits for the pipe to close, which it does when the node dies; then ends the group. Signals that end a service with all its processes do
 * not end it. The script is always the same, and the group comes as its argument.
 */
const SCRIPT = 'trap "" TERM HUP INT; cat >/dev/null 2>&1; kill -s KILL -- "-$0"';

/**
 * Ties a group of processes to this one's life. The kernel could do it (PR_SET_PDEATHSIG), but only to the first of them, and not where
 * Node starts it from another thread; so, as with the watchdog of a freeze, it is some small programs of the system. Where they cannot be
 * started the group goes without: it has its time limit.
 *
 * @param group its id
 * @returns what ends that
 */
export function leash(group: number): () => void {
  const child = spawn('sh', ['-c', SCRIPT, String(group)], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  return () => {
    // Before its pipe closes, so that it cannot take that for our death. Both may be gone by now, as its `cat` is a process of its own.
    child.kill('SIGKILL');
    child.stdin.destroy();
  };
}
