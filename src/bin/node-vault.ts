import { join } from 'node:path';

import { refusal, RefusedError } from '../base/refusal.ts';
import type { Log } from '../ports/log.ts';
import type { Vault } from '../ports/vault.ts';
import { type OpenVault, openVault, orThrow } from '../vault/vault.ts';
import { systemClock } from './clock.ts';
import { wrongSettings } from './settings-file.ts';
import type { VaultConfig } from './vault-config.ts';
import { keyOf } from './vault-key.ts';

/** So long who has something open in it may take to close that when the node stops, ms. */
const BUSY_MS_MAX = 3_000;
const BUSY_EVERY_MS = 200;

/** The vaults that a node process looks after: one for each mount, also when several of its nodes are in it. */
export class NodeVaults {
  readonly #home: string;
  readonly #log: Log;
  readonly #open = new Map<string, { readonly meant: string; readonly vault: OpenVault }>();

  constructor(home: string, log: Log) {
    this.#home = home;
    this.#log = log;
  }

  /**
   * What a node's node.yaml says, for that node.
   *
   * @param file for people
   * @param own where what the node has of its own is to be
   * @throws RefusedError `usage`, or `vault_in_use` when another process looks after that mount
   */
  async take(
    config: VaultConfig,
    node: string,
    file: string,
    own: { readonly heartbeat: string; readonly spool: string | undefined },
  ): Promise<Vault> {
    const { cipher, mount, key } = config;
    const isInside = (path: string): boolean => `${path}/`.startsWith(`${mount}/`);
    // Both are looked for when a node starts, and then the vault is not there yet.
    if (isInside(own.heartbeat))
      throw wrongSettings(file, 'heartbeat: lies in the vault, which has a copy of it anyway; leave it out');
    if (own.spool !== undefined && isInside(own.spool))
      throw wrongSettings(file, 'spool: lies in the vault, where the node has one of its own anyway; leave it out');
    const meant = JSON.stringify([cipher, key]);
    const before = this.#open.get(mount);
    if (before !== undefined && before.meant !== meant) {
      const message = `Two nodes of this process mean different vaults on ${mount}.`;
      throw new RefusedError(refusal('usage', message, 'Give each its own mount, or both the same "vault:".'));
    }
    const vault =
      before?.vault ??
      orThrow(
        await openVault({
          cipher,
          mount,
          key: keyOf(key),
          home: join(this.#home, 'vault'),
          kind: 'node',
          clock: systemClock,
          random: Math.random,
          log: this.#log,
        }),
      );
    this.#open.set(mount, { meant, vault });
    return vault.for(node);
  }

  /** Mounts them, for as long as it takes; nobody waits for that, because the node is in the mesh without them too. */
  start(): void {
    for (const { vault } of this.#open.values()) void vault.start();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ vault }) => this.#unmount(vault)));
  }

  async #unmount(vault: OpenVault): Promise<void> {
    const until = performance.now() + BUSY_MS_MAX;
    for (;;) {
      const force = performance.now() > until;
      const stopped = await vault.stop({ force });
      if (stopped.ok) return;
      if (force) return this.#log.error({ why: stopped.error.message }, 'the vault stays mounted');
      await new Promise((resolve) => setTimeout(resolve, BUSY_EVERY_MS));
    }
  }
}
