import { readFileSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';

import { bytesPath, type Mount, parseMountInfo, textPath } from '../wire/mountinfo.ts';
import { run } from './run.ts';

/* What is mounted where, as the kernel says. Nothing here touches the mounted file system itself, which may hang. */

export function mountTable(): Mount[] {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1'));
}

/** What somebody who goes to this very folder sees: of several mounts on it, the last. */
export function mountAt(point: string, table: readonly Mount[] = mountTable()): Mount | undefined {
  const wanted = bytesPath(point);
  return table.findLast(({ path }) => path === wanted);
}

/** `dead`: the process that served it is gone, and every call fails. `hanging`: it does not answer. */
export type Pulse = 'alive' | 'dead' | 'hanging';

/** Asks a mount whether it answers: by a process of its own, because one of ours that waits for a dead server waits for ever. */
export async function pulseOf(point: string, withinMs: number): Promise<Pulse> {
  const { code, stderr } = await run('stat', ['-c', '%d', '--', point], { withinMs });
  if (code === 0) return 'alive';
  return code === null ? 'hanging' : /not connected|Input\/output error|aborted/i.test(stderr) ? 'dead' : 'alive';
}

/** Who has something open at or below this folder: processes (`1234 (vim)`), and mounts that lie in it. Sees what this user may. */
export async function usersOf(point: string): Promise<string[]> {
  const prefix = `${bytesPath(point)}/`;
  const inside = mountTable()
    .filter(({ path }) => path.startsWith(prefix))
    .map(({ path }) => `the mount ${textPath(path)}`);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const users = await Promise.all(pids.map(async (pid) => ((await uses(pid, point)) ? [`process ${named(pid)}`] : [])));
  return [...inside, ...users.flat()];
}

async function uses(pid: string, point: string): Promise<boolean> {
  const own = `/proc/${pid}`;
  const open = await readdir(`${own}/fd`).catch(() => []);
  for (const link of ['cwd', 'root', 'exe', ...open.map((descriptor) => `fd/${descriptor}`)]) {
    const target = await readlink(`${own}/${link}`).catch(() => '');
    if (target === point || target.startsWith(`${point}/`)) return true;
  }
  return false;
}

function named(pid: string): string {
  try {
    return `${pid} (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`;
  } catch {
    return pid;
  }
}
