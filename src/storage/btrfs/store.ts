import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import type { DatasetName } from '../../core/dataset.ts';
import type { MutationId } from '../../core/mutation/mutation.ts';
import type { SnapshotProperties, Stored } from '../../ports/storage.ts';
import { mountOf, mounts, textPath } from '../tree/mounts.ts';
import { errorCode, type Syscalls } from '../tree/syscalls.ts';
import { destroySubvolume, inspectSubvolume, type Subvolume } from './subvolume.ts';

/**
 * The btrfs driver's store: a directory at the root of each mounted btrfs file system that has snapshots, since a snapshot cannot
 * leave its file system. Closed to others.
 *
 *     <mount point>/.hauki/snapshots/<mutation>/<dataset>/tree             a read-only snapshot
 *     <mount point>/.hauki/evidence/<mutation>/<attempt>-<dataset>/tree
 *
 * `<dataset>` is a digest of its name. What a snapshot is stands in an extended attribute of the folder around it, set before it is
 * taken: an attribute, unlike a file's content, belongs to the same transaction as the snapshot, so a power cut leaves both or
 * none, and nothing waits for a disk twice. A folder without `tree` is the rest of something broken off.
 */
export const STORE_NAME = '.hauki';
export const TREE = 'tree';
const META_ATTRIBUTE = 'user.hauki.meta';

export interface Meta {
  readonly format: 1;
  /** Whose it is: two controllers of one host share a file system's store, and see each only its own. */
  readonly home: string;
  readonly kind: Stored['kind'];
  readonly dataset: DatasetName;
  readonly name: string;
  readonly createdAt: number;
  readonly properties: SnapshotProperties;
  /** What was mounted inside, relative to the dataset: btrfs freezes what lies beneath, which nobody saw. */
  readonly mounts: readonly string[];
}

/** A snapshot or evidence that is there, and the folder around it. */
export interface Kept {
  readonly meta: Meta;
  readonly folder: string;
  readonly subvolume: Subvolume;
}

export class Store {
  readonly #sys: Syscalls;
  readonly #home: string;
  /** Folders by the name of what is in them, as far as this process has seen them. */
  readonly #known = new Map<string, string>();

  /** @param home HAUKI_HOME of the controller that this is the store of */
  constructor(sys: Syscalls, home: string) {
    this.#sys = sys;
    this.#home = home;
  }

  /** Where a dataset's snapshots go: the file system that it lies on. */
  async rootFor(dataset: DatasetName): Promise<string> {
    const mount = mountOf(dataset, await mounts());
    return join(mount === undefined ? '/' : textPath(mount.path), STORE_NAME);
  }

  /** The stores of all btrfs file systems mounted now, each once. */
  async roots(): Promise<string[]> {
    const found = new Map<string, string>();
    for (const { fsType, path } of await mounts()) {
      const root = join(textPath(path), STORE_NAME);
      const stat = fsType === 'btrfs' ? lstatSync(root, { throwIfNoEntry: false }) : undefined;
      if (stat?.isDirectory()) found.set(`${stat.dev}:${stat.ino}`, root);
    }
    return [...found.values()];
  }

  snapshotFolder(root: string, mutation: MutationId, dataset: DatasetName): string {
    return join(root, 'snapshots', component(mutation), digestOf(dataset));
  }

  evidenceFolder(root: string, mutation: MutationId, attempt: number, dataset: DatasetName): string {
    return join(root, 'evidence', component(mutation), `${attempt}-${digestOf(dataset)}`);
  }

  /** Makes the folder around a snapshot to be, with the words about it. */
  announce(folder: string, about: Omit<Meta, 'format' | 'home'>): void {
    const meta: Meta = { format: 1, home: this.#home, ...about };
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#sys.lsetxattr(Buffer.from(folder), META_ATTRIBUTE, Buffer.from(JSON.stringify(meta)));
    this.#known.set(meta.name, folder);
  }

  /** What is in a folder; undefined when it is not there, was never finished, or is another controller's. */
  read(folder: string): Kept | undefined {
    if (lstatSync(join(folder, TREE), { throwIfNoEntry: false }) === undefined) return undefined;
    const meta = this.#metaOf(folder);
    if (meta === undefined) return undefined;
    const subvolume = inspectSubvolume(join(folder, TREE), this.#sys);
    // A later version's store is left alone rather than misread.
    if (meta.format !== 1 || meta.home !== this.#home || !subvolume.readOnly) return undefined;
    this.#known.set(meta.name, folder);
    return { meta, folder, subvolume };
  }

  #metaOf(folder: string): Meta | undefined {
    const text = this.#sys.lgetxattr(Buffer.from(folder), META_ATTRIBUTE);
    return text === undefined ? undefined : (JSON.parse(text.toString()) as Meta);
  }

  async list(): Promise<Kept[]> {
    const found: Kept[] = [];
    for (const root of await this.roots()) {
      for (const kind of ['snapshots', 'evidence']) {
        for (const mutation of namesIn(join(root, kind))) found.push(...this.inside(join(root, kind, mutation)));
      }
    }
    return found;
  }

  async find(name: string): Promise<Kept | undefined> {
    const folder = this.#known.get(name);
    const known = folder === undefined ? undefined : this.read(folder);
    if (known?.meta.name === name) return known;
    return (await this.list()).find(({ meta }) => meta.name === name);
  }

  /** Where snapshots of one mutation are, whole or not, on every file system. */
  async foldersOf(mutation: MutationId): Promise<string[]> {
    const around = (await this.roots()).map((root) => join(root, 'snapshots', component(mutation)));
    const folders = around.flatMap((folder) => namesIn(folder).map((name) => join(folder, name)));
    return folders.filter((folder) => (this.#metaOf(folder)?.home ?? this.#home) === this.#home);
  }

  /** Destroys what is in a folder, then the folder. Nothing there is fine. */
  async remove(folder: string): Promise<void> {
    if (lstatSync(join(folder, TREE), { throwIfNoEntry: false }) !== undefined)
      await destroySubvolume(folder, TREE, this.#sys);
    removeEmpty(folder);
    // The mutation's own folder, but not the two that are there for all.
    if (!['snapshots', 'evidence'].includes(basename(dirname(folder)))) removeEmpty(dirname(folder));
  }

  inside(folder: string): Kept[] {
    return namesIn(folder).flatMap((name) => this.read(join(folder, name)) ?? []);
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!['ENOTEMPTY', 'ENOENT'].includes(errorCode(error) ?? '')) throw error;
  }
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function digestOf(dataset: DatasetName): string {
  return createHash('sha256').update(dataset).digest('hex').slice(0, 16);
}

/** Ids come from hauki itself; one that would lead elsewhere is a defect, not a path. */
function component(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(id)) throw new Error(`${JSON.stringify(id)} is no mutation's id`);
  return id;
}
