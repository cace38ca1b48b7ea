import { readFile, readdir, readlink } from 'node:fs/promises';

import { errorCode } from './syscalls.ts';

/** A process that has something of a directory open, or stands in it. */
export interface Holder {
  readonly pid: number;
  readonly command: string;
  readonly path: string;
  /** It can write through what it has open, whatever the permissions are by now. */
  readonly writing: boolean;
}

export interface Holders {
  readonly holders: readonly Holder[];
  /** Processes that may not be looked into: they belong to somebody else. */
  readonly hidden: number;
}

const AT_ONCE = 16;

/** Looks through /proc for processes that hold files at or below a directory: open, mapped, as working or root directory. */
export async function holdersOf(root: string): Promise<Holders> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const holders: Holder[] = [];
  let hidden = 0;
  for (let at = 0; at < pids.length; at += AT_ONCE) {
    const looked = await Promise.all(pids.slice(at, at + AT_ONCE).map((pid) => look(pid, root)));
    for (const found of looked) {
      if (found === 'hidden') hidden += 1;
      else holders.push(...found);
    }
  }
  return { holders: holders.toSorted((a, b) => a.pid - b.pid || (a.path < b.path ? -1 : 1)), hidden };
}

async function look(pid: string, root: string): Promise<Holder[] | 'hidden'> {
  try {
    const found = new Map<string, boolean>();
    const note = (path: string, writing: boolean) => {
      if (path === root || path.startsWith(`${root}/`)) found.set(path, writing || found.get(path) === true);
    };
    for (const link of ['cwd', 'root']) note(await readlink(`/proc/${pid}/${link}`).catch(() => ''), false);
    for (const fd of await readdir(`/proc/${pid}/fd`)) {
      const path = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      if (path.startsWith(root)) note(path, await isWritable(pid, fd));
    }
    // `7f…-7f… rw-s 00000000 fe:00 1234   /path`: what was mapped and then closed is held all the same.
    for (const line of (await readFile(`/proc/${pid}/maps`, 'utf8')).split('\n')) {
      const slash = line.indexOf('/');
      if (slash > 0) note(line.slice(slash), /^\S+ .w.s/.test(line));
    }
    if (found.size === 0) return [];
    const command = (await readFile(`/proc/${pid}/comm`, 'utf8')).trimEnd();
    return [...found].map(([path, writing]) => ({ pid: Number(pid), command, path, writing }));
  } catch (error) {
    // Gone meanwhile.
    if (['ENOENT', 'ESRCH'].includes(errorCode(error) ?? '')) return [];
    return 'hidden';
  }
}

/** `flags: 0100002` in octal; the last two bits are the access mode, 0 being read-only. */
async function isWritable(pid: string, fd: string): Promise<boolean> {
  const info = await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8').catch(() => '');
  const flags = /^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? '0';
  return (Number.parseInt(flags, 8) & 0o3) !== 0;
}
