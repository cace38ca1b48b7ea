import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

import { bytesOf, type Entries, type Entry } from '../tree/entry.ts';
import { errorCode, type Syscalls } from '../tree/syscalls.ts';

/** What an inode, its name and its line in the manifest cost on a disk, generously. */
const ENTRY_BYTES = 512;

/**
 * What a new tree takes in the store.
 * @param copied the entries whose content is copied; of the others only a name is made
 */
export function bytesFor(entries: Entries, copied: Iterable<Entry>): number {
  const inodes = new Set<string>();
  let bytes = entries.size * ENTRY_BYTES;
  for (const { type, dev, ino, blocks } of copied) {
    if (type !== 'f' || inodes.has(`${dev}:${ino}`)) continue;
    inodes.add(`${dev}:${ino}`);
    bytes += blocks * 512;
  }
  return bytes;
}

/** Whether copies from a tree into the store can share blocks, found by trying with one of its files. */
export function canShare(root: string, entries: Entries, folder: string, sys: Syscalls): boolean {
  for (const { path, type, size } of entries.values()) {
    if (type !== 'f' || size === 0) continue;
    return tryReflink(Buffer.concat([Buffer.from(`${root}/`), bytesOf(path)]), join(folder, 'probe'), sys);
  }
  return true;
}

export function tryReflink(source: Buffer | string, probe: string, sys: Syscalls): boolean {
  try {
    const from = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const to = openSync(probe, constants.O_WRONLY | constants.O_CREAT, 0o600);
      try {
        return sys.reflink(from, to);
      } finally {
        closeSync(to);
        unlinkSync(probe);
      }
    } finally {
      closeSync(from);
    }
  } catch (error) {
    // It vanished, or there is no room for even this: whoever asks finds out soon enough.
    if (errorCode(error) !== undefined) return false;
    throw error;
  }
}
