import { constants, open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { refusal, type Refusal } from '../../base/refusal.ts';
import type { DatasetName } from '../../core/dataset.ts';
import { errorCode, type Syscalls } from '../tree/syscalls.ts';

/** Where udev puts links to the block devices of volumes: `tank/disk`, and `tank/disk-part1` for a partition in it. */
const FOLDER = '/dev/zvol';

/** The block device of a volume. udev writes a blank as a plus, which no name has. */
export function deviceOf(dataset: DatasetName, folder = FOLDER): string {
  return join(folder, dataset.replaceAll(' ', '+'));
}

/**
 * While somebody has a volume open, Linux keeps to itself what was written to it and what was read of it. What was not written out is
 * in no snapshot; and after a rollback it would be written over what came back, or be read in its place. So it is written out and
 * forgotten, before a snapshot and after a rollback.
 *
 * @param recursive the volumes inside a dataset as well
 * @param folder where udev puts its links
 * @returns why not; undefined also when there is no device, for then nobody has it open
 */
export async function settle(
  dataset: DatasetName,
  sys: () => Promise<Syscalls>,
  { recursive = false, folder = FOLDER }: { readonly recursive?: boolean; readonly folder?: string } = {},
): Promise<Refusal | undefined> {
  const device = deviceOf(dataset, folder);
  const inside = recursive ? await below(device) : [];
  for (const path of [...(await devicesOf(device)), ...inside]) {
    try {
      const [native, opened] = [await sys(), await open(path, constants.O_RDONLY)];
      try {
        // Not synced: that alone would write to the volume's intent log.
        await native.drain(opened.fd);
      } finally {
        await opened.close();
      }
    } catch (error) {
      if (['ENOENT', 'ENXIO'].includes(errorCode(error) ?? '')) continue;
      const message = `What Linux keeps of the volume ${dataset} could not be written out: ${(error as Error).message}.`;
      return refusal('snapshot_failed', message, `The controller's user must be able to read ${path}.`);
    }
  }
  return undefined;
}

/** Whether the kernel itself works on a volume: a file system in it is mounted, or it is swap. What it knows would not go back with it. */
export async function isClaimed(dataset: DatasetName): Promise<boolean> {
  try {
    // Of a block device this asks to be the only one, and whoever merely has it open does not count.
    await (await open(deviceOf(dataset), constants.O_RDONLY | constants.O_EXCL)).close();
    return false;
  } catch (error) {
    return errorCode(error) === 'EBUSY';
  }
}

/** The volume's own, and those of its partitions, which Linux keeps apart. */
async function devicesOf(device: string): Promise<string[]> {
  const [folder, name] = [dirname(device), basename(device)];
  const links = await readdir(folder, { withFileTypes: true }).catch(() => []);
  // A volume may itself be called `vm-part1`.
  const isOwn = (link: string): boolean =>
    link === name || (link.startsWith(name) && /^-part\d+$/.test(link.slice(name.length)));
  return links.filter((link) => link.isSymbolicLink() && isOwn(link.name)).map((link) => join(folder, link.name));
}

async function below(folder: string): Promise<string[]> {
  const links = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return links.filter((link) => link.isSymbolicLink()).map((link) => join(link.parentPath, link.name));
}
