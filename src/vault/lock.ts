import { createHash } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';

import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';

/*
 * Who looks after a mount. It is a socket without a file, which the kernel takes back whatever ends its process: nothing is ever left
 * over. Whoever connects is told who that is, and nothing else can be had there.
 */

const ANSWER_MS = 1_000;

/** Who looks after a mount: a `hauki vault mount`, which ends with it, or a node, which does not. */
export interface Keeper {
  readonly pid: number;
  readonly kind: 'mount' | 'node';
}

/** @returns what gives it back; `vault_in_use` when another process looks after this mount */
export async function takeMount(point: string, kind: Keeper['kind']): Promise<Result<() => void, Refusal>> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(`${process.pid} ${kind}`);
  });
  const taken = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(addressOf(point), () => resolve(true));
  });
  if (taken) {
    server.unref();
    return ok(() => void server.close());
  }
  const keeper = await keeperOf(point);
  const who = keeper === undefined ? 'Another process' : `Process ${keeper.pid}`;
  const hint = 'Stop that one first, or leave it to it: "hauki vault status" tells how it stands.';
  return err(refusal('vault_in_use', `${who} looks after ${point} already.`, hint));
}

/** @returns undefined when nobody looks after this mount */
export function keeperOf(point: string): Promise<Keeper | undefined> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect(addressOf(point));
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => (said += String(chunk)));
    socket.on('error', () => {});
    socket.on('close', () => {
      const [, pid, kind] = /^(\d+) (mount|node)$/.exec(said) ?? [];
      resolve(pid === undefined ? undefined : { pid: Number(pid), kind: kind === 'node' ? 'node' : 'mount' });
    });
  });
}

/** The same path is another folder in another mount namespace, and to another user's eyes perhaps. */
function addressOf(point: string): string {
  const name = [readlinkSync('/proc/self/ns/mnt'), process.getuid?.() ?? 0, point].join('\0');
  return `\0hauki-vault-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
}
