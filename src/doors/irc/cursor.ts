import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** A number that only grows, kept over restarts: the last record that a channel has been told of, the last number of a signed line. */
export interface Cursor {
  /** Undefined when there was none yet. */
  read(): number | undefined;
  /** @throws what the file system throws */
  write(seq: number): void;
}

/**
 * A cursor in a file. Written whole or not at all, but not forced to the disk: it outlives any end of the process, while after a power
 * cut it may be some seconds old.
 */
export function cursorIn(path: string): Cursor {
  return {
    read: () => {
      try {
        const seq = Number(readFileSync(path, 'utf8').trim());
        return Number.isSafeInteger(seq) && seq >= 0 ? seq : undefined;
      } catch {
        return undefined;
      }
    },
    write: (seq) => {
      writeFileSync(`${path}.new`, `${seq}\n`, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    },
  };
}
