import { readFile } from 'node:fs/promises';
import { openLibc } from './libc.ts';
import { STANDALONE } from './standalone.ts';

/** Unmaps what a mapping still has from its file: read again, from the page cache, when it is touched. What was written to it is lost. */
const MADV_DONTNEED = 4;
/** The same, and nothing is lost: what was written to stays. */
const MADV_PAGEOUT = 21;
/** By then it has started, joined its controller and said so: what was only needed for that is not needed any more. */
const AFTER_MS = 15_000;

/**
 * Lets go, once, of the pages of the executable that only its start needed: 25 MB of 63. They are clean copies of the file, and those that are
 * needed again come back by themselves. Node is a shared installation, and not ours to judge.
 */
export function slimWhenStarted(): void {
  if (!STANDALONE) return;
  setTimeout(() => void slim().catch(() => {}), AFTER_MS).unref();
}

async function slim(): Promise<void> {
  const text = await readFile('/proc/self/smaps', 'latin1');
  const libc = await openLibc();
  for (const { start, size, pristine } of partsOf(text, process.execPath))
    libc.madvise(start, size, pristine ? MADV_DONTNEED : MADV_PAGEOUT);
}

/** A part of a file in memory. */
export interface Part {
  readonly start: bigint;
  readonly size: bigint;
  /** Nobody can write to it or has: the loader writes into parts that are read-only afterwards. */
  readonly pristine: boolean;
}

/** @param smaps as in /proc/self/smaps */
export function partsOf(smaps: string, file: string): Part[] {
  const found: Part[] = [];
  let current: Part | undefined;
  for (const line of smaps.split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ +(.*)$/.exec(line);
    if (head !== null) {
      const [, from = '0', to = '0', rights = '', path] = head;
      const start = BigInt(`0x${from}`);
      current =
        path === file ? { start, size: BigInt(`0x${to}`) - start, pristine: /^r-[x-]p$/.test(rights) } : undefined;
    }
    const anonymous = /^Anonymous: +(\d+) kB$/.exec(line)?.[1];
    if (current !== undefined && anonymous !== undefined)
      found.push({ ...current, pristine: current.pristine && anonymous === '0' });
  }
  return found;
}
