import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Spool } from '../ports/spool.ts';
import type { Vault, VaultView } from '../ports/vault.ts';
import { type Cipher, cipherLayers } from './cipher.ts';
import { gocryptfsLayer } from './gocryptfs.ts';
import { layOut, nodeFolder } from './layout.ts';
import { type Keeper, takeMount } from './lock.ts';
import { placeOf } from './mount-point.ts';
import { pulseOf } from './mounted.ts';
import { SupervisedVault } from './supervising.ts';

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
  const shadow = 'folder' in cipher ? whyInside(mount, cipher.folder) : undefined;
  if (shadow !== undefined) return err(shadow);
  const folder = vaultFolder(options.home, mount);
  const below = cipherLayers(cipher, folder);
  const taken = await takeMount(mount, kind);
  if (!taken.ok) return taken;
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

/** The folder that belongs to one mount. */
function vaultFolder(home: string, mount: string): string {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  return join(realpathSync(home), createHash('sha256').update(mount).digest('hex').slice(0, 12));
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
