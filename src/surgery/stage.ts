import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  type BigIntStats,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
} from 'node:fs';
import { copyFile, mkdir, open, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { changedMeanwhile, type Folders } from './folders.ts';
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
 * one that no diff can touch. Whoever owns the dataset's root can put another folder, or a link, under that name: so it is opened once, and
 * gone to only by what was opened.
 */
export class Stage {
  /** Its path, for people. */
  readonly place: string;
  readonly tree: string;
  readonly old: string;
  readonly #opened: number;
  readonly #folders: Folders;
  readonly #before = new Map<string, BigIntStats>();
  /** The copies as git found them, by path. */
  readonly #copies = new Map<string, BigIntStats>();

  /** @param root the dataset's own path, without links */
  constructor(root: string, folders: Folders) {
    this.place = join(root, `.hauki-surgery-${randomBytes(8).toString('hex')}`);
    this.#folders = folders;
    mkdirSync(this.place, { mode: 0o700 });
    this.#opened = openOurs(this.place);
    // Not "self": git goes there too.
    const folder = `/proc/${process.pid}/fd/${this.#opened}`;
    this.tree = join(folder, 'tree');
    this.old = join(folder, 'old');
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
      await this.#folders.within(path, (where) => copySeen(path, where, before, copy));
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

  async remove(): Promise<void> {
    for (const folder of [this.tree, this.old]) await rm(folder, { recursive: true, force: true });
    this.close();
    // What somebody else has put there is theirs.
    await rmdir(this.place).catch(() => undefined);
  }

  /** Leaves it to people, with what lies in it. */
  close(): void {
    closeSync(this.#opened);
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

/** The folder that was just made. @throws when another was put in its place */
function openOurs(path: string): number {
  const opened = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const { uid, mode } = fstatSync(opened);
  const isOurs = uid === process.geteuid?.() && (mode & 0o077) === 0;
  if (isOurs && readdirSync(`/proc/self/fd/${opened}`).length === 0) return opened;
  closeSync(opened);
  throw new Error('somebody has put another folder in the place of the one to work in');
}

/** A file's content as a copy: of the very file that was looked at, whatever has its name by now. */
async function copySeen(path: string, where: string, seen: BigIntStats, copy: string): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(where, flags).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'ELOOP' || code === 'ENOENT' ? changedMeanwhile(path) : error;
  });
  try {
    const { dev, ino } = await file.stat({ bigint: true });
    if (dev !== seen.dev || ino !== seen.ino) throw changedMeanwhile(path);
    await copyFile(`/proc/self/fd/${file.fd}`, copy, constants.COPYFILE_FICLONE);
  } finally {
    await file.close();
  }
}

function isExecutable({ mode }: BigIntStats): boolean {
  return (mode & 0o100n) !== 0n;
}
