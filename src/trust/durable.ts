import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file whole or not at all, and on the disk when it returns.
 *
 * @param mode of the file from the first moment on: a key is never readable to others, not even for an instant
 */
export function writeDurably(path: string, text: string, mode: number): void {
  const temporary = `${path}.${process.pid}.new`;
  fill(openSync(temporary, 'w', mode), text);
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/**
 * The same of a file that is not there yet, and never over one that somebody else made meanwhile.
 *
 * @throws what the file system says: EEXIST when it is there; then there is no new one
 */
export function makeDurably(path: string, text: string, mode: number): void {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.new`;
  try {
    fill(openSync(temporary, 'wx', mode), text);
    linkSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
  syncFolder(dirname(path));
}

function fill(file: number, text: string): void {
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
