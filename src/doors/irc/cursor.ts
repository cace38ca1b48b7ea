import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** The last record that a channel has been told of, kept over restarts. */
export interface Cursor {
  /** Undefined when nothing was ever told. */
  read(): number | undefined;
  /** @throws what the file system throws */
  write(seq: number): void;
}

/**
 * A cursor in a file. Written whole or not at all, but not forced to the disk: after a power cut a few lines are told twice, and that
 * is all.
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
