import { readFile, stat } from 'node:fs/promises';

/* Which processes were born since: by the ids that were given away, and by their number. */

/** By pid namespace; where the kernel can checkpoint processes. */
const LAST_PID = '/proc/sys/kernel/ns_last_pid';
const LOAD = '/proc/loadavg';
/** Always the kernel's own: lxcfs puts files of its own over some in /proc, but not over these. */
const KERNELS_OWN = '/proc/self/stat';

/**
 * The process id that was given away last, in this pid namespace.
 *
 * @returns undefined where nobody says: in a container whose /proc/loadavg is that of lxcfs, which tells the ids of the host
 */
export async function lastPid(): Promise<number | undefined> {
  const own = Number.parseInt(await readFile(LAST_PID, 'latin1').catch(() => ''), 10);
  if (own > 0) return own;
  const [load, kernels] = await Promise.all([stat(LOAD), stat(KERNELS_OWN)]);
  if (load.dev !== kernels.dev) return undefined;
  // The last word of "0.20 0.18 0.12 1/80 11206".
  return Number((await readFile(LOAD, 'latin1')).trim().split(' ').at(-1));
}

/** How many processes and threads this kernel has started since it booted, those of all containers. */
export async function forksSoFar(): Promise<number> {
  const counted = /^processes (\d+)$/m.exec(await readFile('/proc/stat', 'latin1'))?.[1];
  return counted === undefined ? Infinity : Number(counted);
}
