import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { deviceOf, parseMountInfo } from '../../wire/mountinfo.ts';

/**
 * Why tasks of this spool cannot change these datasets: a rollback would bring back a task that was done, or lose one that was dropped.
 * A dataset is known by its name on the controller's host; what of that is seen here is compared.
 *
 * @param spools its folder, and where its bytes lie if that is elsewhere
 * @param roots where the guarded state is at the node, besides
 */
export async function spoolRefusal(
  spools: readonly string[],
  datasets: readonly string[],
  roots: readonly string[],
): Promise<Refusal | undefined> {
  for (const spool of spools) {
    const there = await existing(spool);
    const inside = await foldersRound(there);
    const source = await zfsSourceOf(there);
    for (const dataset of [...datasets, ...roots]) {
      const contains = dataset.startsWith('/')
        ? inside.has(await identityOf(dataset))
        : source !== undefined && source === dataset;
      if (contains)
        return refusal('spool_guarded', `The spool ${spool} is part of ${dataset}, which a task is to change.`);
    }
  }
  return undefined;
}

/** Itself, or where it would be made. */
async function existing(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    if (at === '/' || (await stat(at).catch(() => undefined)) !== undefined) return at;
  }
}

/** The spool and what it lies in, up to where its file system begins: nothing above is rolled back with it. */
async function foldersRound(spool: string): Promise<Set<string | undefined>> {
  const around = new Set<string>();
  let folder = await realpath(spool);
  const { dev } = await stat(folder);
  for (;;) {
    const found = await stat(folder);
    if (found.dev !== dev) break;
    around.add(`${found.dev}:${found.ino}`);
    if (folder === '/') break;
    folder = dirname(folder);
  }
  return around;
}

async function identityOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  // What is not here cannot hold the spool.
  return found === undefined ? 'absent' : `${found.dev}:${found.ino}`;
}

/** The ZFS dataset that a path is on, by the table of mounts; undefined where it is on none. */
async function zfsSourceOf(path: string): Promise<string | undefined> {
  const device = deviceOf((await stat(path)).dev);
  const table = await readFile('/proc/self/mountinfo', 'latin1').catch(() => '');
  return parseMountInfo(table).find((mount) => mount.fsType === 'zfs' && mount.device === device)?.source;
}
