import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { mountAt } from './mounted.ts';

/*
 * The folder that a vault is mounted on. While the vault is not mounted it is a plain folder like any other, and what is written there
 * lies in the clear and vanishes under the next mount. So nobody may do anything in it (mode 000, which root alone ignores), it holds
 * nothing, and one that holds something is not mounted over.
 */

/** The path as the kernel will have it, without going to what may be a dead mount. @throws what the file system says */
export function placeOf(point: string): string {
  const whole = resolve(point);
  if (whole === '/') return whole;
  const place = join(realpathSync(dirname(whole)), basename(whole));
  if (mountAt(place) !== undefined) return place;
  const found = lstatSync(place, { throwIfNoEntry: false });
  return found?.isSymbolicLink() ? realpathSync(place) : place;
}

/**
 * Makes the folder ready to be mounted on, and makes it if only it is missing.
 *
 * @param point as `placeOf` has it; nothing is mounted on it
 * @returns what closes the bare folder below the mount, to be called when that is there
 */
export function openPoint(point: string): Result<{ close(): void }, Refusal> {
  const unusable = (why: string, hint?: string): Result<never, Refusal> =>
    err(refusal('mount_point_unusable', `Nothing can be mounted on ${point}: ${why}.`, hint));
  try {
    if (lstatSync(point, { throwIfNoEntry: false }) === undefined) mkdirSync(point, { mode: 0o700 });
    if (!lstatSync(point).isDirectory()) return unusable('it is no folder');
    closing(() => chmodSync(point, 0o700));
    const names = readdirSync(point);
    if (names.length > 0) {
      const some = names.slice(0, 5).map((name) => JSON.stringify(name));
      return unusable(
        `it is not empty (${some.join(', ')})`,
        'What lies there was perhaps written while nothing was mounted: move it away, look at it, then mount again.',
      );
    }
    const bare = openSync(point, constants.O_RDONLY | constants.O_DIRECTORY);
    return ok({
      close: () => {
        closing(() => fchmodSync(bare, 0));
        closeSync(bare);
      },
    });
  } catch (error) {
    return unusable((error as Error).message);
  }
}

/** Somebody else's folder, or one made immutable, stays as it is. */
function closing(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!['EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
