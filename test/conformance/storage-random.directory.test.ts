import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { directoryStorage } from '../../src/storage/directory/directory.ts';
import { fingerprint, fingerprintAs } from '../storage/real/fingerprint.ts';
import { temporaryFolder } from '../storage/real/ground.ts';
import { freeze, freshMutation, rollbackRequest, valueOf } from './storage-ground.ts';

const RUNS = 25;
/** Stands for a folder of the test's own, beside what is guarded: what is done through a link to it is done to that, and to nothing else. */
const OUTSIDE = 'outside';
// Only the superuser can look into what is closed to its owner, to compare.
const CLOSED = process.geteuid?.() === 0 ? 0o000 : 0o700;

// Few names, so that operations meet each other.
const path = fc
  .array(fc.constantFrom('a', 'b', 'c\n', '-é'), { minLength: 1, maxLength: 3 })
  .map((names) => names.join('/'));
const operation = fc.oneof(
  fc.record({
    do: fc.constant('write' as const),
    path,
    content: fc.constantFrom('', 'one', 'two', 'three'.repeat(5000)),
  }),
  fc.record({ do: fc.constant('mkdir' as const), path }),
  fc.record({ do: fc.constant('remove' as const), path }),
  fc.record({ do: fc.constant('move' as const), path, to: path }),
  fc.record({ do: fc.constant('link' as const), path, to: path }),
  fc.record({ do: fc.constant('symlink' as const), path, to: fc.oneof(path, fc.constant(OUTSIDE)) }),
  fc.record({ do: fc.constant('chmod' as const), path, mode: fc.constantFrom(CLOSED, 0o644, 0o755, 0o4711) }),
  fc.record({ do: fc.constant('touch' as const), path, at: fc.nat({ max: 2_000_000_000 }) }),
  fc.record({ do: fc.constant('truncate' as const), path, size: fc.constantFrom(0, 1, 100_000) }),
  fc.record({ do: fc.constant('fifo' as const), path }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Does it, when it can be done: what cannot is no operation. */
function perform(root: string, outside: string, operation: Operation): void {
  const where = join(root, operation.path);
  try {
    switch (operation.do) {
      case 'write':
        return writeFileSync(where, operation.content, { flag: operation.content === 'one' ? 'wx' : 'w' });
      case 'mkdir':
        return void mkdirSync(where, { recursive: true });
      case 'remove':
        return rmSync(where, { recursive: true });
      case 'move':
        return renameSync(where, join(root, operation.to));
      case 'link':
        return linkSync(where, join(root, operation.to));
      case 'symlink':
        return symlinkSync(operation.to === OUTSIDE ? outside : operation.to, where);
      case 'chmod':
        return chmodSync(where, operation.mode);
      case 'touch':
        return lutimesSync(where, operation.at, operation.at);
      case 'truncate':
        return truncateSync(where, operation.size);
      case 'fifo':
        return void execFileSync('mkfifo', [where], { stdio: 'ignore' });
    }
  } catch {
    // Such as a directory in the place of a file.
  }
}

test(`${RUNS} random trees, changed at random, are what they were`, async () => {
  const ground = temporaryFolder();
  let counter = 0;
  try {
    const home = join(ground.path, 'home');
    mkdirSync(home);
    const storage = directoryStorage({ store: join(home, 'store'), home });
    await fc.assert(
      fc.asyncProperty(
        fc.array(operation, { maxLength: 40 }),
        fc.array(operation, { minLength: 1, maxLength: 40 }),
        async (before, after) => {
          const folder = join(ground.path, `data-${++counter}`);
          const outside = join(ground.path, `outside-${counter}`);
          for (const made of [folder, outside]) mkdirSync(made);
          // A FIFO that somebody writes to would wait for a reader.
          const careful = (operation: Operation) => operation.do !== 'write' || !hasFifo(folder, outside);
          for (const one of before) if (careful(one)) perform(folder, outside, one);
          const was = fingerprint(folder);
          const mutation = freshMutation();
          const snapshot = await freeze(storage, folder, mutation);
          for (const one of after) if (careful(one)) perform(folder, outside, one);
          const failed = fingerprint(folder);
          const { added, modified, removed } = valueOf(await storage.diff(snapshot, 'live'));
          expect(added.length + modified.length + removed.length > 0).toBe(
            JSON.stringify(was) !== JSON.stringify(failed),
          );
          const evidence = valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
          expect(fingerprint(folder)).toEqual(was);
          expect(fingerprintAs(evidence.path, folder)).toEqual(failed);
        },
      ),
      { numRuns: RUNS },
    );
  } finally {
    ground.remove();
  }
}, 120_000);

function hasFifo(...folders: readonly string[]): boolean {
  return execFileSync('find', [...folders, '-type', 'p', '-print', '-quit']).length > 0;
}
