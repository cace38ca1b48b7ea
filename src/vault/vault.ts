import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, realpathSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Spool } from '../ports/spool.ts';
import type { Vault, VaultView } from '../ports/vault.ts';
import { gocryptfsLayer } from './gocryptfs.ts';
import { type Layer, type LayerPlan, mountLayer } from './layer.ts';
import { layOut, nodeFolder } from './layout.ts';
import { type Keeper, takeMount } from './lock.ts';
import { placeOf } from './mount-point.ts';
import { mountAt, pulseOf } from './mounted.ts';
import { type SshfsSource, sshfsLayer } from './sshfs.ts';
import { SupervisedVault } from './supervising.ts';
import { detach } from './unmounting.ts';

/** A folder for as long as one command works: its name goes on with the process id. */
const WORK = 'work-';

/** Where the ciphertext is: a folder of this machine, or one of another host. */
export type Cipher = { readonly folder: string } | { readonly sshfs: SshfsSource };

export interface OpenOptions {
  readonly cipher: Cipher;
  /** Where it is to be mounted. */
  readonly mount: string;
  /** Asked for at each mount. */
  readonly key: () => Result<string, Refusal>;
  /** Of ours, for logs and the mount of sshfs: `HAUKI_NODE_HOME/vault`. */
  readonly home: string;
  readonly kind: Keeper['kind'];
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** A vault that this process looks after; see SupervisedVault. */
export class OpenVault {
  readonly #kept: SupervisedVault;
  readonly #cipher: string;
  readonly #nodes: Set<string>;
  readonly #release: () => void;

  constructor(kept: SupervisedVault, cipher: string, nodes: Set<string>, release: () => void) {
    this.#kept = kept;
    this.#cipher = cipher;
    this.#nodes = nodes;
    this.#release = release;
  }

  get view(): VaultView {
    const { state, mount, remounts, why } = this.#kept;
    return { state, mount, cipher: this.#cipher, remounts, ...(why === undefined ? {} : { why: why.message }) };
  }

  /** What one node sees of it; its folders are made with the next mount, so it is asked for before `start`. */
  for(node: string): Vault {
    this.#nodes.add(node);
    const kept = this.#kept;
    const view = (): VaultView => this.view;
    const spool: Spool = {
      folder: nodeFolder(kept.mount, node),
      get ready() {
        return kept.ready;
      },
      onReady: (f) => kept.onReady(f),
    };
    return {
      spool,
      get view() {
        return view();
      },
    };
  }

  /** See SupervisedVault. When it gives up, nobody looks after the mount any more. */
  async start(options: { once?: boolean } = {}): Promise<Result<void, Refusal>> {
    const first = await this.#kept.start(options);
    if (!first.ok && options.once) this.#release();
    return first;
  }

  async stop(options: { force?: boolean } = {}): Promise<Result<void, Refusal>> {
    const stopped = await this.#kept.stop(options);
    if (stopped.ok) this.#release();
    return stopped;
  }
}

/** Takes a vault on, without mounting it yet. @returns `vault_in_use` when another process looks after that mount */
export async function openVault(options: OpenOptions): Promise<Result<OpenVault, Refusal>> {
  const { cipher, key, kind, clock, random, log } = options;
  const placed = placeFor(options.mount);
  if (!placed.ok) return placed;
  const mount = placed.value;
  const taken = await takeMount(mount, kind);
  if (!taken.ok) return taken;
  const folder = vaultFolder(options.home, mount);
  const below = cipherLayers(cipher, folder);
  const shadow = 'folder' in cipher ? whyInside(mount, cipher.folder) : undefined;
  if (shadow !== undefined) {
    taken.value();
    return err(shadow);
  }
  const top = gocryptfsLayer({
    cipher: below.folder,
    point: mount,
    key,
    log: join(folder, 'gocryptfs.log'),
    name: below.name,
  });
  const nodes = new Set<string>();
  const kept = new SupervisedVault({
    layers: [...below.layers, top],
    prepare: async (point, device) => {
      for (const node of nodes) await layOut(point, device, node);
    },
    clock,
    random,
    log,
    pulse: pulseOf,
  });
  return ok(new OpenVault(kept, below.name, nodes, taken.value));
}

/** Where people see that it is: a path, or `user@host:/path`. */
export function nameOf(cipher: Cipher): string {
  return 'folder' in cipher ? cipher.folder : cipher.sshfs.from;
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
    await clearWork(home, process.pid);
  }
}

/** What this process, or one that was killed, had mounted for a while. */
async function clearWork(home: string, done?: number): Promise<void> {
  const names = existsSync(home) ? readdirSync(home).filter((name) => name.startsWith(WORK)) : [];
  for (const name of names) {
    const pid = Number(name.slice(WORK.length));
    if (pid !== done && existsSync(`/proc/${pid}`)) continue;
    const point = join(realpathSync(home), name, 'cipher');
    const free = await detach(point);
    if (!free.ok) continue;
    // Never recursively: should it be mounted still, that would be the ciphertext.
    if (existsSync(point) && readdirSync(point).length === 0) rmdirSync(point);
    for (const file of readdirSync(join(home, name))) if (file !== 'cipher') rmSync(join(home, name, file));
    if (!existsSync(point)) rmdirSync(join(home, name));
  }
}

/** The folder that belongs to one mount. */
export function vaultFolder(home: string, mount: string): string {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  return join(realpathSync(home), createHash('sha256').update(mount).digest('hex').slice(0, 12));
}

function cipherLayers(cipher: Cipher, folder: string): { layers: LayerPlan[]; folder: string; name: string } {
  const name = nameOf(cipher);
  if ('folder' in cipher) return { layers: [], folder: cipher.folder, name };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const point = join(folder, 'cipher');
  return { layers: [sshfsLayer(cipher.sshfs, point, join(folder, 'sshfs.log'))], folder: point, name };
}

function placeFor(mount: string): Result<string, Refusal> {
  try {
    return ok(placeOf(mount));
  } catch (error) {
    return err(refusal('mount_point_unusable', `Nothing can be mounted on ${mount}: ${(error as Error).message}.`));
  }
}

/** A mount point among the ciphertext would be taken for a part of it. */
function whyInside(mount: string, cipher: string): Refusal | undefined {
  const found = statSync(cipher, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  const whole = realpathSync(cipher);
  const inside = mount === whole || mount.startsWith(`${whole}/`);
  if (!inside) return undefined;
  return refusal('mount_point_unusable', `${mount} lies in the cipher folder ${cipher}.`);
}

/** @throws RefusedError what the result refuses */
export function orThrow<T>(result: Result<T, Refusal>): T {
  if (!result.ok) throw new RefusedError(result.error);
  return result.value;
}
