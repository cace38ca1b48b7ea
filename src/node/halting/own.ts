import { type Dirent } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

import { isFuse, mounts } from './mounts.ts';

/**
 * Why the processes of a control group must not be frozen, if so: this process would freeze itself, or wait for a file system whose
 * server is frozen, which is for ever. What cannot be seen is taken for the worse.
 *
 * @param group its folder
 */
export async function whyNotToFreeze(group: string): Promise<string | undefined> {
  const pids = await pidsIn(group);
  if (pids.includes(process.pid)) return 'this node itself runs in it';
  const served = new Map((await mounts()).filter(isFuse).map(({ minor, path }) => [minor, path]));
  if (served.size === 0) return undefined;
  for (const pid of pids) {
    const connections = await fuseConnections(pid);
    if (connections === 'unseen') return `what its process ${pid} has open cannot be seen, and may serve a FUSE mount`;
    for (const connection of connections) {
      const path = connection === undefined ? [...served.values()][0] : served.get(connection);
      const whole = connection === undefined ? 'serves a FUSE mount, perhaps' : 'serves the FUSE mount';
      if (path !== undefined) return `its process ${pid} ${whole} ${path}, which this node sees`;
    }
  }
  return undefined;
}

/** Of the group and the groups inside it. */
async function pidsIn(group: string): Promise<number[]> {
  const own = (await readFile(join(group, 'cgroup.procs'), 'utf8')).split('\n').filter(Boolean).map(Number);
  const inside = (await readdir(group, { withFileTypes: true })).filter((entry: Dirent) => entry.isDirectory());
  const more = await Promise.all(inside.map(({ name }) => pidsIn(join(group, name)).catch(ifGone)));
  return [...own, ...more.flat()];
}

/** The FUSE connections a process answers; undefined for one whose number this kernel does not tell. */
async function fuseConnections(pid: number): Promise<(number | undefined)[] | 'unseen'> {
  const connections: (number | undefined)[] = [];
  try {
    for (const descriptor of await readdir(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
      if (target !== '/dev/fuse') continue;
      const about = await readFile(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8').catch(() => '');
      const connection = /^fuse_connection:\s*(\d+)/m.exec(about)?.[1];
      connections.push(connection === undefined ? undefined : Number(connection));
    }
  } catch (error) {
    return isGone(error) ? [] : 'unseen';
  }
  return connections;
}

function ifGone(error: unknown): number[] {
  if (isGone(error)) return [];
  throw error;
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '');
}
