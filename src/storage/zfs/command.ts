import { readdir, readFile } from 'node:fs/promises';
import { delimiter } from 'node:path';

import { type Ran, run, type RunOptions } from '../run.ts';

/** Marks every program that a driver starts, with the HAUKI_HOME it works for. */
const MARK = 'HAUKI_STORAGE_OF';

/** Where Debian keeps zfs, which is not on an ordinary user's PATH. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

const ORPHAN_POLL_MS = 20;

/** The `zfs` and `zpool` programs of this host, by argument vector and in English. */
export interface Commands {
  readonly environment: Readonly<Record<string, string>>;
  zfs(args: readonly string[], options?: RunOptions): Promise<Ran>;
  zpool(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** As the superuser, where sudo lets this user do exactly this without a password. */
  sudo(args: readonly string[]): Promise<Ran>;
  /** The names of this user's groups, parted by blanks. */
  groups(): Promise<Ran>;
}

/** @param home HAUKI_HOME */
export function commands(home: string): Commands {
  const path = [process.env['PATH'] ?? '', ...SYSTEM_FOLDERS].join(delimiter);
  const environment = { PATH: path, [MARK]: home };
  const start = (program: string, args: readonly string[], options: RunOptions = {}) =>
    run(program, args, { ...options, env: { ...environment, ...options.env } });
  return {
    environment,
    zfs: (args, options) => start('zfs', args, options),
    zpool: (args, options) => start('zpool', args, options),
    sudo: (args) => start('sudo', ['-n', '/usr/sbin/zfs', ...args]),
    groups: () => start('id', ['-Gn']),
  };
}

/** Whether a command failed because its program is not installed: a container may see its host's `/dev/zfs`, and have no `zfs`. */
export function isAbsent(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' && syscall?.startsWith('spawn') === true;
}

/**
 * Ends what an earlier controller of this HAUKI_HOME had started and left behind when it was killed: a `zfs rollback` that was
 * only waiting for its turn must not come true after its mutation is over. Returns when none of them is left.
 */
export async function endOrphans(home: string): Promise<void> {
  for (;;) {
    const orphans = await orphansOf(home);
    if (orphans.length === 0) return;
    for (const pid of orphans) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
    // One that is inside the kernel finishes its call first.
    await new Promise((resolve) => setTimeout(resolve, ORPHAN_POLL_MS));
  }
}

async function orphansOf(home: string): Promise<number[]> {
  const wanted = `${MARK}=${home}`;
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!(await readFile(`/proc/${name}/environ`, 'latin1')).split('\0').includes(wanted)) continue;
      // `1234 (zfs) S 1200 …`: the state, then the parent.
      const stat = await readFile(`/proc/${name}/stat`, 'latin1');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state !== 'Z' && Number(parent) !== process.pid) found.push(Number(name));
    } catch {
      // Gone meanwhile, or somebody else's.
    }
  }
  return found;
}
