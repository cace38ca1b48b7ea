import { readFile } from 'node:fs/promises';

import { parseMountInfo, textPath } from '../../wire/mountinfo.ts';

interface Mount {
  /** Minor number of the device: for FUSE, the number of its connection. */
  readonly minor: number;
  readonly path: string;
  readonly type: string;
}

/** The mounts that this process sees. */
export async function mounts(): Promise<Mount[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'latin1')).map(({ device, path, fsType }) => ({
    minor: Number(device.split(':')[1]),
    path: textPath(path),
    type: fsType,
  }));
}

export function isFuse({ type }: Mount): boolean {
  return type === 'fuse' || type.startsWith('fuse.') || type === 'fuseblk';
}

/** Where the unified control groups are. Undefined: nowhere. */
export async function cgroupMount(): Promise<string | undefined> {
  return (await mounts()).find(({ type }) => type === 'cgroup2')?.path;
}
