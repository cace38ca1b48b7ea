import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import type { DatasetName } from '../../core/dataset.ts';
import type { MutationId } from '../../core/mutation/mutation.ts';
import type { SnapshotProperties, Stored } from '../../ports/storage.ts';
import { byPath } from '../tree/access.ts';
import { removeTree } from '../tree/copy.ts';
import type { Entries } from '../tree/entry.ts';
import { parseManifest } from '../tree/manifest.ts';
import { errorCode } from '../tree/syscalls.ts';

/**
 * The directory driver's store, which tells its story without a ledger:
 *
 *     snapshots/<mutation>/<dataset>/            meta.json, manifest, tree/
 *     evidence/<mutation>/<attempt>-<dataset>/   the same
 *     opened/                                    see access.ts
 *     trash/                                     on its way out
 *
 * `<dataset>` is a digest of its name. Everything is built in `<folder>.<random>.partial` and counts once it is renamed; partials
 * and trash are nobody's. The random part is there because a program that was copying when its controller was killed goes on
 * writing to its path for a while: that path must not come back. Files are shared between the trees as hard links, so nothing in a tree is ever written, or given another mode.
 */
export interface Meta {
  readonly format: 1;
  readonly kind: Stored['kind'];
  readonly dataset: DatasetName;
  readonly name: string;
  /** SHA-256 of the manifest. */
  readonly guid: string;
  readonly createdAt: number;
  /** See compare.ts. */
  readonly racySinceMs: number;
  readonly properties: SnapshotProperties;
  readonly attempt: number;
  readonly entries: number;
  /** Files that were being written while they were copied: each is whole, but not of one moment with the rest. */
  readonly unsteady: number;
}

/** A complete snapshot or evidence and where it lies. */
export interface Kept {
  readonly meta: Meta;
  readonly folder: string;
}

const PARTIAL = '.partial';

export class Store {
  readonly root: string;
  /** By name. What this process has seen; the disk is asked when something is not in it. */
  #known: Map<string, Kept> | undefined;

  constructor(root: string) {
    this.root = root;
  }

  async prepare(): Promise<void> {
    for (const folder of ['snapshots', 'evidence', 'opened', 'trash']) {
      await mkdir(join(this.root, folder), { recursive: true, mode: 0o700 });
    }
  }

  /** Where the snapshots of a mutation lie, all of them together: one rename makes them exist, all or none. */
  snapshotsOf(mutation: MutationId): string {
    return join(this.root, 'snapshots', component(mutation));
  }

  /** Where the snapshot of one dataset lies in the folder of its mutation. */
  placeIn(folder: string, dataset: DatasetName): string {
    return join(folder, digestOf(dataset));
  }

  evidenceOf(mutation: MutationId, attempt: number, dataset: DatasetName): string {
    return join(this.root, 'evidence', component(mutation), `${attempt}-${digestOf(dataset)}`);
  }

  journalOf(dataset: DatasetName): string {
    return join(this.root, 'opened', digestOf(dataset));
  }

  /** Everything that is complete, read from the disk. */
  async list(): Promise<Kept[]> {
    const found: Kept[] = [];
    for (const kind of ['snapshots', 'evidence']) {
      for (const mutation of await names(join(this.root, kind))) {
        found.push(...(await this.#inside(join(this.root, kind, mutation))));
      }
    }
    this.#known = new Map(found.map((kept) => [kept.meta.name, kept]));
    return found;
  }

  async find(name: string): Promise<Kept | undefined> {
    const known = this.#known?.get(name);
    if (known !== undefined && (await readMeta(known.folder)) !== undefined) return known;
    return (await this.list()).find(({ meta }) => meta.name === name);
  }

  /** The newest snapshot of a dataset: most of the next one will be the same. */
  async newest(dataset: DatasetName): Promise<Kept | undefined> {
    const all = this.#known === undefined ? await this.list() : [...this.#known.values()];
    const own = all.filter(({ meta }) => meta.kind === 'snapshot' && meta.dataset === dataset);
    for (const kept of own.toSorted((a, b) => b.meta.createdAt - a.meta.createdAt)) {
      // What is known may have been destroyed while a list of everything was being read.
      if ((await readMeta(kept.folder)) !== undefined) return kept;
      this.#known?.delete(kept.meta.name);
    }
    return undefined;
  }

  /** The complete snapshots of one mutation. */
  async ofMutation(mutation: MutationId): Promise<Kept[]> {
    return this.#inside(this.snapshotsOf(mutation));
  }

  /** A fresh place to build what will be a folder of the store; what earlier tries left there is removed. */
  async begin(folder: string): Promise<string> {
    await this.abandon(folder);
    return `${folder}.${randomUUID()}${PARTIAL}`;
  }

  /** Removes what was begun for a folder and not completed. */
  async abandon(folder: string): Promise<void> {
    const rests = (await names(dirname(folder))).filter(
      (name) => name.startsWith(`${basename(folder)}.`) && name.endsWith(PARTIAL),
    );
    for (const rest of rests) await this.remove(join(dirname(folder), rest));
  }

  /** Makes what was built exist. Everything in it is on the disk already. */
  async complete(partial: string, folder: string): Promise<void> {
    await rename(partial, folder);
    await syncFolder(dirname(folder));
    const kept = [...(await this.#inside(folder)), ...(await this.#read(folder))];
    for (const one of kept) this.#known?.set(one.meta.name, one);
  }

  /** Takes a folder out of the store in one step, and then apart. Nothing there is fine. */
  async remove(folder: string): Promise<void> {
    const trash = join(this.root, 'trash', randomUUID());
    try {
      await rename(folder, trash);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
    for (const [name, kept] of this.#known ?? [])
      if (`${kept.folder}/`.startsWith(`${folder}/`)) this.#known?.delete(name);
    await this.#removeIfEmpty(dirname(folder));
    // Also what an earlier removal that was broken off left there.
    for (const rest of await names(join(this.root, 'trash'))) await removeTree(join(this.root, 'trash', rest));
  }

  async #inside(folder: string): Promise<Kept[]> {
    if (folder.endsWith(PARTIAL)) return [];
    const found: Kept[] = [];
    for (const name of await names(folder)) {
      if (!name.endsWith(PARTIAL)) found.push(...(await this.#read(join(folder, name))));
    }
    return found;
  }

  async #read(folder: string): Promise<Kept[]> {
    const meta = await readMeta(folder);
    return meta === undefined ? [] : [{ meta, folder }];
  }

  async #removeIfEmpty(folder: string): Promise<void> {
    if (dirname(dirname(folder)) !== this.root) return;
    try {
      await rmdir(folder);
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errorCode(error) ?? '')) throw error;
    }
  }
}

/** Writes what a tree is beside it. @returns the meta, with the digest that is the snapshot's identity */
export async function writeRecord(
  folder: string,
  manifest: Buffer,
  about: Omit<Meta, 'format' | 'guid'>,
): Promise<Meta> {
  const meta: Meta = { format: 1, ...about, guid: sha256(manifest) };
  await writeFile(join(folder, 'manifest'), manifest, { mode: 0o600 });
  await writeFile(join(folder, 'meta.json'), `${JSON.stringify(meta, undefined, 2)}\n`, { mode: 0o600 });
  return meta;
}

/** @throws when the manifest is not the one that was written: a store that was tampered with restores nothing */
export async function readEntries({ folder, meta }: Kept): Promise<Entries> {
  return byPath(await parseManifest(await readManifest({ folder, meta })));
}

/** @throws as `readEntries` */
export async function readManifest({ folder, meta }: Kept): Promise<Buffer> {
  const manifest = await readFile(join(folder, 'manifest'));
  if (sha256(manifest) !== meta.guid) throw new Error(`the manifest in ${folder} was changed after it was written`);
  return manifest;
}

async function readMeta(folder: string): Promise<Meta | undefined> {
  try {
    const meta = JSON.parse(await readFile(join(folder, 'meta.json'), 'utf8')) as Meta;
    // A later version's store is left alone rather than misread.
    return meta.format === 1 ? meta : undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function digestOf(dataset: DatasetName): string {
  return sha256(Buffer.from(dataset)).slice(0, 16);
}

/** Ids come from hauki itself; one that would lead elsewhere is a defect, not a path. */
function component(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(id)) throw new Error(`${JSON.stringify(id)} is no mutation's id`);
  return id;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
