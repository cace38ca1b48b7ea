import { existsSync, mkdirSync, readdirSync, realpathSync, rmdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

import { refusal, type Refusal } from '../base/refusal.ts';
import { err, type Result } from '../base/result.ts';
import { type Layer, type LayerPlan, mountLayer } from './layer.ts';
import { leftovers } from './leftovers.ts';
import { mountAt } from './mounted.ts';
import { type SshfsSource, sshfsLayer } from './sshfs.ts';
import { detach } from './unmounting.ts';

/** A folder for as long as one command works: its name goes on with the process id. */
const WORK = 'work-';

/** Where the ciphertext is: a folder of this machine, or one of another host. */
export type Cipher = { readonly folder: string } | { readonly sshfs: SshfsSource };

/** Where people see that it is: a path, or `user@host:/path`. */
export function nameOf(cipher: Cipher): string {
  return 'folder' in cipher ? cipher.folder : cipher.sshfs.from;
}

/** @param folder of ours, for what has to be mounted first */
export function cipherLayers(cipher: Cipher, folder: string): { layers: LayerPlan[]; folder: string; name: string } {
  const name = nameOf(cipher);
  if ('folder' in cipher) return { layers: [], folder: cipher.folder, name };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const point = join(folder, 'cipher');
  return { layers: [sshfsLayer(cipher.sshfs, point, join(folder, 'sshfs.log'))], folder: point, name };
}

/** Has the cipher folder at hand for as long as the work takes: it may be on another host. */
export async function withCipher<T>(
  cipher: Cipher,
  home: string,
  work: (folder: string) => Promise<Result<T, Refusal>>,
): Promise<Result<T, Refusal>> {
  if ('folder' in cipher) return work(cipher.folder);
  await clearWork(home);
  const folder = join(home, `${WORK}${process.pid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { layers, folder: point } = cipherLayers(cipher, realpathSync(folder));
  const up: Layer[] = [];
  try {
    for (const plan of layers) {
      const layer = await mountLayer(plan, () => {});
      if (!layer.ok) return layer;
      up.push(layer.value);
    }
    const done = await work(point);
    if (up.every(({ device }) => mountAt(point)?.device === device)) return done;
    return err(refusal('context_unreachable', `The connection to ${nameOf(cipher)} broke in the middle.`));
  } finally {
    for (const layer of up) if (!(await layer.unmount()).ok) await layer.kill();
    await clearWork(home, [basename(folder)]);
  }
}

/** What was mounted for a while: by those that were killed, or what is named. */
async function clearWork(home: string, names = leftovers(home, WORK)): Promise<void> {
  for (const name of names) {
    const point = join(realpathSync(home), name, 'cipher');
    const free = await detach(point);
    if (!free.ok) continue;
    // Never recursively: should it be mounted still, that would be the ciphertext. Nor looked into: it is closed to an ordinary user.
    try {
      rmdirSync(point);
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
    for (const file of readdirSync(join(home, name))) if (file !== 'cipher') rmSync(join(home, name, file));
    if (!existsSync(point)) rmdirSync(join(home, name));
  }
}
