import { randomBytes } from 'node:crypto';
import { chmodSync, constants, type BigIntStats, lstatSync, mkdirSync } from 'node:fs';
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { Folders } from './folders.ts';
import { pathsOf, type Patch } from './patch.ts';

/** What becomes of one file. */
export interface Change {
  readonly path: string;
  /** As it is now in the dataset; undefined when it is not there. */
  readonly before: BigIntStats | undefined;
  /** Whether there is a new one in the stage, and whether that may be executed when the old one might not, or the other way. */
  readonly after: 'gone' | 'there';
  readonly executable: boolean | undefined;
}

/**
 * Where the new files are made: a folder in the dataset, so that they lie on its file system and are as safe from others' eyes; its name is
 * one that no diff can touch.
 */
export class Stage {
  readonly folder: string;
  readonly tree: string;
  readonly old: string;
  readonly #folders: Folders;
  readonly #before = new Map<string, BigIntStats>();
  /** The copies as git found them, by path. */
  readonly #copies = new Map<string, BigIntStats>();

  /** @param root the dataset's own path, without links */
  constructor(root: string, folders: Folders) {
    this.folder = join(root, `.hauki-surgery-${randomBytes(8).toString('hex')}`);
    this.tree = join(this.folder, 'tree');
    this.old = join(this.folder, 'old');
    this.#folders = folders;
    mkdirSync(this.folder, { mode: 0o700 });
  }

  /** Copies what the diff touches, and nothing else. */
  async fill(patch: Patch): Promise<void> {
    await mkdir(this.tree);
    await mkdir(this.old);
    for (const path of pathsOf(patch)) {
      const before = await this.#folders.file(path);
      if (before === undefined) continue;
      const copy = join(this.tree, path);
      await mkdir(dirname(copy), { recursive: true });
      await this.#folders.within(path, (where) => copyFile(where, copy, constants.COPYFILE_FICLONE));
      chmodSync(copy, isExecutable(before) ? 0o700 : 0o600);
      this.#before.set(path, before);
      this.#copies.set(path, lstatSync(copy, { bigint: true }));
    }
  }

  /**
   * What git made of it.
   *
   * @throws when there is a file that the diff was not known to touch
   */
  async changes(patch: Patch): Promise<readonly Change[]> {
    const paths = pathsOf(patch);
    await this.#refuseOthers(new Set(paths));
    return paths.flatMap((path): Change[] => {
      const [before, copy] = [this.#before.get(path), this.#copies.get(path)];
      const now = lstatSync(join(this.tree, path), { bigint: true, throwIfNoEntry: false });
      if (now === undefined)
        return before === undefined ? [] : [{ path, before, after: 'gone', executable: undefined }];
      // git makes a file anew or leaves it alone.
      if (copy !== undefined && copy.ino === now.ino && copy.ctimeNs === now.ctimeNs) return [];
      const turned = copy === undefined || isExecutable(copy) !== isExecutable(now);
      return [{ path, before, after: 'there', executable: turned ? isExecutable(now) : undefined }];
    });
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }

  async #refuseOthers(known: ReadonlySet<string>): Promise<void> {
    const entries = await readdir(this.tree, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (entry.isDirectory()) continue;
      const path = join(entry.parentPath, entry.name).slice(this.tree.length + 1);
      if (!entry.isFile() || !known.has(path))
        throw new Error(`git made ${JSON.stringify(path)}, which the diff was not read to touch`);
    }
  }
}

function isExecutable({ mode }: BigIntStats): boolean {
  return (mode & 0o100n) !== 0n;
}
