import { statfs } from 'node:fs/promises';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { errorCode } from './syscalls.ts';

/** Bytes of a file system that hauki leaves free for everybody else, by its size. */
export type Reserve = (fileSystemBytes: number) => number;

export const DEFAULT_RESERVE: Reserve = (size) => Math.min(size * 0.05, 256 * 1024 * 1024);

/** Looks before leaping: a snapshot that fills the disk half-way hurts everybody on it. undefined when there is room. */
export async function lowSpace(folder: string, neededBytes: number, reserve: Reserve): Promise<Refusal | undefined> {
  const { bavail, bsize, blocks } = await statfs(folder);
  const reserveBytes = Math.round(reserve(blocks * bsize));
  const freeBytes = bavail * bsize;
  if (freeBytes - reserveBytes >= neededBytes) return undefined;
  const sizes = { needed: inMiB(neededBytes), free: inMiB(freeBytes), kept: inMiB(reserveBytes) };
  const message = `The snapshot needs ${sizes.needed}, and ${folder} has ${sizes.free} free, of which ${sizes.kept} are left to others.`;
  return refusal('low_space', message, undefined, { neededBytes, freeBytes, reserveBytes, store: folder });
}

/** Whether something failed because a file system or quota is full; also told by the words of a program. */
export function isFull(error: unknown): boolean {
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return true;
  return error instanceof Error && /No space left on device|Disk quota exceeded/.test(error.message);
}

export function ranFull(folder: string): Refusal {
  return refusal(
    'low_space',
    `The file system of ${folder} ran full while the snapshot was taken; what there was of it is removed again.`,
  );
}

function inMiB(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
