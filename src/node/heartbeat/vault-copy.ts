import { join } from 'node:path';

import type { Log } from '../../ports/log.ts';
import type { Vault } from '../../ports/vault.ts';
import { WholeFile } from './file.ts';

/** A vault that hangs is not waited for when the node stops, ms. */
const SETTLE_MS = 1_000;

/**
 * The heartbeat in the vault, where others look: `nodes/<node>/heartbeat.json`. While the vault is away nothing is written, and the last
 * one there says since when. The node itself goes by its own file.
 */
export class VaultCopy {
  readonly #vault: Vault;
  readonly #file: WholeFile;
  #fails = false;

  constructor(vault: Vault, log: Log) {
    const path = join(vault.spool.folder, 'heartbeat.json');
    this.#vault = vault;
    this.#file = new WholeFile(path, (error) => {
      if (!this.#fails)
        log.warn({ file: path, why: error.message }, 'the heartbeat could not be written into the vault');
      this.#fails = true;
    });
    vault.spool.onReady(() => (this.#fails = false));
  }

  write(text: string): void {
    if (this.#vault.spool.ready) this.#file.write(text);
  }

  async settled(): Promise<void> {
    const patience = new Promise<void>((resolve) => setTimeout(resolve, SETTLE_MS).unref());
    await Promise.race([this.#file.settled(), patience]);
  }
}
