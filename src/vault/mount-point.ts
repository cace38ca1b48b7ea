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

/** The folder below a mount. */
export interface Bare {
  /** To be called once. When the vault came to be mounted it is closed, and stays so; otherwise it is as it was found. */
  leave(isMounted: boolean): void;
}

/**
 * Makes the folder ready to be mounted on, and makes it if only it is missing. One that is refused stays as it is: it may be anybody's, and
 * was named by mistake.
 *
 * @param point as `placeOf` has it; nothing is mounted on it
 */
export function openPoint(point: string): Result<Bare, Refusal> {
  const unusable = (why: string, hint?: string): Result<never, Refusal> =>
    err(refusal('mount_point_unusable', `Nothing can be mounted on ${point}: ${why}.`, hint));
  try {
    if (lstatSync(point, { throwIfNoEntry: false }) === undefined) mkdirSync(point, { mode: 0 });
    const found = lstatSync(point);
    if (!found.isDirectory()) return unusable('it is no folder');
    const mode = found.mode & 0o7777;
    const { bare, names } = listed(point, mode);
    const leave = (isMounted: boolean): void => {
      closing(() => fchmodSync(bare, isMounted ? 0 : mode));
      closeSync(bare);
    };
    if (names.length > 0) {
      leave(false);
      const some = names.slice(0, 5).map((name) => JSON.stringify(name));
      return unusable(
        `it is not empty (${some.join(', ')})`,
        'What lies there was perhaps written while nothing was mounted: move it away, look at it, then mount again.',
      );
    }
    closing(() => fchmodSync(bare, 0o700));
    return ok({ leave });
  } catch (error) {
    return unusable((error as Error).message);
  }
}

/** @throws what the file system says; then the folder is as it was */
function listed(point: string, mode: number): { bare: number; names: string[] } {
  // Closed by an earlier mount: its owner, unless that is root, could neither list nor mount on it.
  const isClosed = (mode & 0o777) === 0;
  if (isClosed) closing(() => chmodSync(point, 0o700));
  let bare: number | undefined;
  try {
    bare = openSync(point, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    return { bare, names: readdirSync(point) };
  } catch (error) {
    if (bare !== undefined) closeSync(bare);
    if (isClosed) closing(() => chmodSync(point, mode));
    throw error;
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
