import { lstat, readdir } from 'node:fs/promises';

import type { DatasetName } from '../../core/dataset.ts';
import { type Mount, mounts, mountsInside, textPath } from '../tree/mounts.ts';
import { datasetOf, labelOf } from './names.ts';

/** Where things of a pool are to be found among the files of this host, in this process's view. */

/** By its name, the mount of a whole file system; the first, as `zfs diff` has it. */
export function mountPoints(table: readonly Mount[]): Map<DatasetName, string> {
  const found = new Map<DatasetName, string>();
  for (const { fsType, root, source, path } of table) {
    const name = textPath(source);
    if (fsType === 'zfs' && root === '/' && !found.has(name)) found.set(name, textPath(path));
  }
  return found;
}

/** Where a file system is mounted; undefined when it is not. */
export async function mountPointOf(dataset: DatasetName): Promise<string | undefined> {
  return mountPointIn(dataset, await mounts());
}

export function mountPointIn(dataset: DatasetName, table: readonly Mount[]): string | undefined {
  const bytes = Buffer.from(dataset).toString('latin1');
  const mount = table.find(({ fsType, root, source }) => fsType === 'zfs' && root === '/' && source === bytes);
  return mount === undefined ? undefined : textPath(mount.path);
}

/** Where a snapshot can be looked into, below its file system's mount point. */
export function snapshotPath(mountpoint: string, snapshot: string): string {
  return `${mountpoint}/.zfs/snapshot/${labelOf(snapshot).slice(1)}`;
}

/**
 * Where a snapshot's files are, mounted and sure to be its own. The kernel mounts a snapshot when somebody goes there; before that
 * the place is an empty directory, and a state put back from that would be an empty one.
 *
 * @throws when it is not to be had
 */
export async function openSnapshot(snapshot: string): Promise<string> {
  const mountpoint = await mountPointOf(datasetOf(snapshot));
  if (mountpoint === undefined) throw new Error(`${datasetOf(snapshot)} is not mounted`);
  const path = snapshotPath(mountpoint, snapshot);
  await readdir(`${path}/.`);
  const opened = (await mounts()).some(
    (mount) => mount.fsType === 'zfs' && textPath(mount.path) === path && textPath(mount.source) === snapshot,
  );
  if (!opened) throw new Error(`${snapshot} could not be opened at ${path}`);
  return path;
}

/**
 * Mounts inside a file system whose place would vanish with the change: they would be there, and nobody could reach them.
 *
 * @param open mounts the snapshot, once there is a reason
 */
export async function mountsWithoutPlace(
  mountpoint: string,
  table: readonly Mount[],
  open: () => Promise<string>,
): Promise<string[]> {
  const inside = outermost(mountpoint, table);
  const lost: string[] = [];
  const frozen = inside.length === 0 ? '' : await open();
  for (const path of inside) {
    const found = await lstat(placeIn(frozen, path)).catch(() => undefined);
    if (found?.isDirectory() !== true) lost.push(`${mountpoint}/${textPath(path)}`);
  }
  return lost;
}

/**
 * Mounts inside a file system that cover nothing of a snapshot: in it, the place of each is an empty directory, as it is for a dataset
 * inside another that was mounted all along.
 *
 * @param frozen where the snapshot's files are
 * @returns paths relative to both, bytes in latin1 strings
 */
export async function mountsOnNothing(mountpoint: string, table: readonly Mount[], frozen: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of outermost(mountpoint, table)) {
    const place = placeIn(frozen, path);
    const isDirectory = (await lstat(place).catch(() => undefined))?.isDirectory() === true;
    const inside = isDirectory ? await readdir(place).catch(() => undefined) : undefined;
    if (inside?.length === 0) found.push(path);
  }
  return found;
}

/** Mounts right inside a file system, relative to it: one inside another has its place in that one. */
function outermost(mountpoint: string, table: readonly Mount[]): string[] {
  const all = mountsInside(mountpoint, table).filter((path) => !path.startsWith('.zfs/'));
  return all.filter((path) => !all.some((other) => path.startsWith(`${other}/`)));
}

/** @param path bytes in a latin1 string */
function placeIn(frozen: string, path: string): Buffer {
  return Buffer.from(`${Buffer.from(frozen).toString('latin1')}/${path}`, 'latin1');
}
