import { closeSync, constants, fstatSync, lstatSync, openSync, type BigIntStats } from 'node:fs';

import { refusal, RefusedError } from '../base/refusal.ts';

/** From <fcntl.h>, where Node has no name for it: opened to go through, not to read. */
const O_PATH = 0o10000000;
const FOLDER = O_PATH | constants.O_DIRECTORY;

/**
 * The folders of one dataset, by ways that cannot lead out of it. Each is opened below the one before it, follows no symbolic link, and lies
 * on the dataset's own file system: somebody may put a link in the place of a folder between a look and a deed, and as root that
 * would have any file of the host replaced.
 */
export class Folders {
  readonly #root: number;
  readonly #dev: number;

  /** @throws when there is no such folder */
  constructor(root: string) {
    this.#root = openSync(root, FOLDER);
    this.#dev = fstatSync(this.#root).dev;
  }

  close(): void {
    closeSync(this.#root);
  }

  /**
   * Calls with where an entry is: its folder, opened, and a path for calls that follow no link in its last part. Both are good until it returns.
   *
   * @returns undefined when its folder is not there
   * @throws RefusedError `patch_refused` when a link, a mount or something else stands in the way
   */
  async within<T>(path: string, use: (where: string, folder: number) => T | Promise<T>): Promise<T | undefined> {
    const parts = path.split('/');
    const name = parts.pop() ?? '';
    let folder = this.#root;
    try {
      for (const [index, part] of parts.entries()) {
        const next = this.#below(folder, part, parts.slice(0, index + 1).join('/'), path);
        if (next === undefined) return undefined;
        if (folder !== this.#root) closeSync(folder);
        folder = next;
      }
      return await use(`/proc/self/fd/${folder}/${name}`, folder);
    } finally {
      if (folder !== this.#root) closeSync(folder);
    }
  }

  /**
   * A file as it is now.
   *
   * @returns undefined when there is none
   * @throws RefusedError `patch_refused` for anything but a regular file of this file system
   */
  async file(path: string): Promise<BigIntStats | undefined> {
    const found = await this.within(path, (where) => lstatSync(where, { bigint: true, throwIfNoEntry: false }));
    if (found === undefined) return undefined;
    if (found.isSymbolicLink()) throw refused(path, 'it is a symbolic link');
    if (!found.isFile()) throw refused(path, found.isDirectory() ? 'it is a folder' : 'it is no regular file');
    if (found.dev !== BigInt(this.#dev)) throw refused(path, 'something else is mounted on it');
    return found;
  }

  #below(folder: number, part: string, soFar: string, path: string): number | undefined {
    let next: number;
    try {
      next = openSync(`/proc/self/fd/${folder}/${part}`, FOLDER | constants.O_NOFOLLOW);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      if (code !== 'ENOTDIR' && code !== 'ELOOP') throw error;
      const there = lstatSync(`/proc/self/fd/${folder}/${part}`, { throwIfNoEntry: false });
      throw refused(path, `${JSON.stringify(soFar)} is ${there?.isSymbolicLink() ? 'a symbolic link' : 'no folder'}`);
    }
    if (fstatSync(next).dev === this.#dev) return next;
    closeSync(next);
    throw refused(path, `${JSON.stringify(soFar)} is another file system, which the dataset does not hold`);
  }
}

export function refused(path: string, why: string, hint?: string): RefusedError {
  return new RefusedError(
    refusal('patch_refused', `The diff touches ${JSON.stringify(path)}: ${why}.`, hint, { path }),
  );
}

export function changedMeanwhile(path: string): RefusedError {
  const message = `${JSON.stringify(path)} was changed while the diff was being applied.`;
  return new RefusedError(
    refusal('patch_mismatch', message, 'Find out by whom; then apply it again. Nothing was changed.'),
  );
}
