import { closeSync, lstatSync } from 'node:fs';

import { Beneath } from './beneath.ts';
import { compare, type Comparison, type Difference, type Doubt, withEchoes } from './compare.ts';
import { sameContent } from './content.ts';
import type { Entry, Tree } from './entry.ts';
import { Pace } from './pace.ts';
import { errorCode, type Syscalls } from './syscalls.ts';
import { readXattrs } from './xattr.ts';

/** Compares two trees to the end: what their entries leave in doubt is settled by reading attributes and content of both. */
export async function differencesOf(
  before: Tree,
  after: Tree,
  racySinceMs: number,
  sys: Syscalls,
): Promise<Comparison> {
  const compared = compare(before.entries, after.entries, racySinceMs);
  const found = await settle(compared.doubts, before, after, sys);
  return {
    differences: withEchoes([...compared.differences, ...found]),
    doubts: [],
    obstructions: compared.obstructions,
  };
}

async function settle(doubts: readonly Doubt[], before: Tree, after: Tree, sys: Syscalls): Promise<Difference[]> {
  if (doubts.length === 0) return [];
  const pace = new Pace();
  const [old, now] = [new Beneath(before.root, sys), new Beneath(after.root, sys)];
  const found: Difference[] = [];
  try {
    for (const doubt of doubts) {
      const difference = await look(doubt).catch((error: unknown) => vanished(doubt, error));
      if (difference !== undefined) found.push(difference);
      const pause = pace.step();
      if (pause) await pause;
    }
  } finally {
    old.close();
    now.close();
  }
  return found;

  async function look({ before, after, metadata, content }: Doubt): Promise<Difference | undefined> {
    const otherContent = content && !(await sameInside(before));
    const xattrs = { before: xattrsOf(before, old), after: xattrsOf(after, now) };
    if (!otherContent && !metadata && xattrs.before === xattrs.after) return undefined;
    return {
      path: before.path,
      before: { ...before, xattrs: xattrs.before },
      after: { ...after, xattrs: xattrs.after },
      content: otherContent,
    };
  }

  async function sameInside({ path, type }: Entry): Promise<boolean> {
    if (type !== 'f') return lstatSync(old.at(path)).rdev === lstatSync(now.at(path)).rdev;
    const a = old.read(path);
    try {
      const b = now.read(path);
      try {
        return await sameContent(a, b, pace, sys);
      } finally {
        closeSync(b);
      }
    } finally {
      closeSync(a);
    }
  }

  function xattrsOf(entry: Entry, where: Beneath): string {
    return entry.xattrs ?? readXattrs(where.at(entry.path), sys);
  }
}

/** Gone, or something else by now: then it is different for certain, and whoever works on it will see what it meets. */
function vanished({ before, after }: Doubt, error: unknown): Difference {
  if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errorCode(error) ?? '')) throw error;
  return { path: before.path, before, after, content: true };
}
