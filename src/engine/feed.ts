import type { LedgerRecord } from '../ports/ledger.ts';

type Listener = (record: LedgerRecord) => void;

/** What was recorded, told to whoever listens, in order. Those who want the past read the ledger first. */
export class Feed {
  readonly #listeners = new Set<Listener>();

  /** @returns what ends the subscription */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @param failed told what a listener threw: one that fails must not keep the others, or the engine, from going on */
  publish(records: readonly LedgerRecord[], failed: (error: unknown) => void): void {
    for (const record of records) {
      for (const listener of this.#listeners) {
        try {
          listener(record);
        } catch (error) {
          failed(error);
        }
      }
    }
  }
}
