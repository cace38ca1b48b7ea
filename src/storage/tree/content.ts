import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';

import type { Pace } from './pace.ts';
import type { Syscalls } from './syscalls.ts';

const BLOCK_BYTES = 1024 * 1024;

// Shared by all calls under way: between filling one and using it up, nobody else gets a turn.
const one = Buffer.allocUnsafe(BLOCK_BYTES);
const other = Buffer.allocUnsafe(BLOCK_BYTES);

/** Whether two open regular files have the same bytes. Where both have a hole, nothing is read. Closes neither. */
export async function sameContent(a: number, b: number, pace: Pace, sys: Syscalls): Promise<boolean> {
  const [statA, statB] = [fstatSync(a), fstatSync(b)];
  if (!statA.isFile() || !statB.isFile() || statA.size !== statB.size) return false;
  const sparse = hasHoles(statA) && hasHoles(statB);
  for (let at = 0; at < statA.size;) {
    if (sparse) {
      at = Math.min(sys.seekData(a, at) ?? statA.size, sys.seekData(b, at) ?? statB.size);
      if (at >= statA.size) break;
    }
    const got = readSync(a, one, 0, BLOCK_BYTES, at);
    if (got === 0 || readFully(b, other, got, at) !== got || one.compare(other, 0, got, 0, got) !== 0) return false;
    at += got;
    const pause = pace.step();
    if (pause) await pause;
  }
  return true;
}

/**
 * Copies an open regular file into an empty one: by reflink where the file system can, else its bytes, holes staying holes.
 */
export async function copyContent(from: number, to: number, pace: Pace, sys: Syscalls): Promise<void> {
  const stat = fstatSync(from);
  if (!stat.isFile()) throw new Error('it is no regular file any more');
  if (stat.size === 0 || sys.reflink(from, to)) return;
  const sparse = hasHoles(stat);
  for (let at = 0; at < stat.size;) {
    let end = stat.size;
    if (sparse) {
      const data = sys.seekData(from, at);
      if (data === undefined) break;
      at = data;
      end = sys.seekHole(from, at);
    }
    while (at < end) {
      const got = readSync(from, one, 0, Math.min(BLOCK_BYTES, end - at), at);
      // It became shorter while it was read: somebody writes. Whoever asked compares afterwards.
      if (got === 0) return;
      writeFully(to, one, got, at);
      at += got;
      const pause = pace.step();
      if (pause) await pause;
    }
  }
  // A hole at the end was not written, so the copy does not know of it yet.
  if (sparse) ftruncateSync(to, stat.size);
}

function hasHoles({ size, blocks }: { readonly size: number; readonly blocks: number }): boolean {
  return blocks * 512 < size;
}

function readFully(fd: number, into: Buffer, length: number, position: number): number {
  let got = 0;
  while (got < length) {
    const more = readSync(fd, into, got, length - got, position + got);
    if (more === 0) break;
    got += more;
  }
  return got;
}

function writeFully(fd: number, from: Buffer, length: number, position: number): void {
  let done = 0;
  while (done < length) done += writeSync(fd, from, done, length - done, position + done);
}
