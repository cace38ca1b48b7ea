import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { readdir, readlink, stat } from 'node:fs/promises';
import { createServer } from 'node:net';

import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { listenersIn } from '../wire/unix-sockets.ts';

/*
 * Who looks after a mount has a socket without a file bound to a name that is made of it: the kernel takes it back whatever ends its
 * process, so nothing is ever left over. Who that is is not asked at the socket, where anybody could answer; the kernel's tables say it.
 */

/** Who looks after a mount: a `hauki vault mount`, which ends with it, or a node, which does not. */
export interface Keeper {
  readonly pid: number;
  readonly kind: 'mount' | 'node';
}

/**
 * Bound first and looked round afterwards: of two that come at once, at least one sees the other. The names that Node and the executable
 * bind differ by NULs, so that binding alone keeps nobody away.
 *
 * @returns what gives it back; `vault_in_use` when another process looks after this mount
 */
export async function takeMount(point: string, kind: Keeper['kind']): Promise<Result<() => void, Refusal>> {
  const server = createServer((socket) => socket.destroy());
  const bound = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(`\0${nameOf(point)}-${kind}`, () => resolve(true));
  });
  const other = (await keepersOf(point)).find(({ pid }) => pid !== process.pid);
  if (bound && other === undefined) {
    server.unref();
    return ok(() => void server.close());
  }
  if (bound) server.close();
  const who = other === undefined ? 'Another process' : `Process ${other.pid}`;
  const hint = 'Stop that one first, or leave it to it: "hauki vault status" tells how it stands.';
  return err(refusal('vault_in_use', `${who} looks after ${point} already.`, hint));
}

/** @returns undefined when no process of this user looks after this mount */
export async function keeperOf(point: string): Promise<Keeper | undefined> {
  return (await keepersOf(point))[0];
}

/** Whoever else has taken such a name is no keeper: a signal for one must never reach a process of somebody's choice. */
async function keepersOf(point: string): Promise<Keeper[]> {
  const name = nameOf(point);
  const bound = listenersIn(readFileSync('/proc/net/unix', 'latin1')).flatMap((socket) => {
    const kind = (['mount', 'node'] as const).find((one) => socket.name === `${name}-${one}`);
    return socket.abstract && kind !== undefined ? [{ kind, inode: socket.inode }] : [];
  });
  const found = await Promise.all(
    bound.map(async ({ kind, inode }) => (await ownProcessesWith(inode)).map((pid) => ({ pid, kind }))),
  );
  return found.flat();
}

async function ownProcessesWith(inode: string): Promise<number[]> {
  const uid = process.getuid?.();
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const holds = await Promise.all(
    pids.map(async (pid) => {
      if ((await stat(`/proc/${pid}`).catch(() => undefined))?.uid !== uid) return false;
      const open = await readdir(`/proc/${pid}/fd`).catch(() => []);
      const targets = await Promise.all(open.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
      return targets.includes(`socket:[${inode}]`);
    }),
  );
  return pids.filter((_, index) => holds[index]).map(Number);
}

/** The same path is another folder in another mount namespace, and to another user's eyes perhaps. */
export function nameOf(point: string): string {
  const text = [readlinkSync('/proc/self/ns/mnt'), process.getuid?.() ?? 0, point].join('\0');
  return `hauki-vault-${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
}
