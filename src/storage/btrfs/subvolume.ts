import { closeSync, constants, openSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';

import type { Syscalls } from '../tree/syscalls.ts';

/**
 * btrfs by its ioctls (<linux/btrfs.h>), without the `btrfs` tool: no process to start, no text to parse, and every answer has an
 * errno. Taking a snapshot commits the file system's transaction, so it is on the disk when the call returns, together with
 * everything that was done before it on the same file system.
 */
const IOC_SNAP_DESTROY = 0x5000_940f;
const IOC_SUBVOL_CREATE = 0x5000_940e;
const IOC_SNAP_CREATE_V2 = 0x5000_9417;
const IOC_SUBVOL_GETFLAGS = 0x8008_9419;
const IOC_SUBVOL_SETFLAGS = 0x4008_941a;
const IOC_GET_SUBVOL_INFO = 0x81f8_943c;

/** `struct btrfs_ioctl_vol_args` and `…_v2`: both 4096 bytes, the name at another place. */
const ARGS_BYTES = 4096;
const ARGS_NAME_AT = 8;
const ARGS_V2_FLAGS_AT = 16;
const ARGS_V2_NAME_AT = 56;
/** `struct btrfs_ioctl_get_subvol_info_args` */
const INFO = { bytes: 504, flagsAt: 288, uuidAt: 296, parentUuidAt: 312, otransidAt: 352, otimeAt: 392 };

const SUBVOL_RDONLY = 2n;
const SUBVOLUME_ROOT_INODE = 256;
const BTRFS_SUPER_MAGIC = 0x9123_683e;

export interface Subvolume {
  readonly uuid: string;
  /** Of what it is a snapshot; '' when of nothing. */
  readonly parentUuid: string;
  /** The transaction it was made in: order within the file system. */
  readonly otransid: string;
  /** When it was made, ms since the epoch, by the kernel's clock. */
  readonly otimeMs: number;
  readonly readOnly: boolean;
}

/** Whether a path is the root of a btrfs subvolume. A missing one is not. */
export async function isSubvolume(path: string): Promise<boolean> {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.isDirectory() && stat.ino === SUBVOLUME_ROOT_INODE && (await isBtrfs(path));
}

export async function isBtrfs(path: string): Promise<boolean> {
  return (await statfs(path)).type === BTRFS_SUPER_MAGIC;
}

export function inspectSubvolume(path: string, sys: Syscalls): Subvolume {
  return onFolder(path, (fd) => {
    const info = Buffer.alloc(INFO.bytes);
    sys.ioctl(fd, IOC_GET_SUBVOL_INFO, info);
    const uuid = (at: number) => {
      const hex = info.toString('hex', at, at + 16);
      return /^0+$/.test(hex) ? '' : hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
    };
    const seconds = Number(info.readBigUInt64LE(INFO.otimeAt));
    const nanoseconds = info.readUInt32LE(INFO.otimeAt + 8);
    return {
      uuid: uuid(INFO.uuidAt),
      parentUuid: uuid(INFO.parentUuidAt),
      otransid: info.readBigUInt64LE(INFO.otransidAt).toString(),
      otimeMs: seconds * 1000 + nanoseconds / 1e6,
      readOnly: (flags(fd, sys) & SUBVOL_RDONLY) !== 0n,
    };
  });
}

/** Freezes a subvolume, read-only, as `<folder>/<name>`. Atomic; on the disk when it returns. */
export async function takeSnapshot(source: string, folder: string, name: string, sys: Syscalls): Promise<void> {
  const from = openSync(source, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const args = Buffer.alloc(ARGS_BYTES);
    args.writeBigInt64LE(BigInt(from), 0);
    args.writeBigUInt64LE(SUBVOL_RDONLY, ARGS_V2_FLAGS_AT);
    args.write(name, ARGS_V2_NAME_AT);
    await onFolderAsync(folder, (fd) => sys.ioctlAsync(fd, IOC_SNAP_CREATE_V2, args));
  } finally {
    closeSync(from);
  }
}

export async function createSubvolume(folder: string, name: string, sys: Syscalls): Promise<void> {
  await onFolderAsync(folder, (fd) => sys.ioctlAsync(fd, IOC_SUBVOL_CREATE, named(name)));
}

/** Destroys `<folder>/<name>`, which must be a subvolume. */
export async function destroySubvolume(folder: string, name: string, sys: Syscalls): Promise<void> {
  await onFolderAsync(folder, (fd) => sys.ioctlAsync(fd, IOC_SNAP_DESTROY, named(name)));
}

/** Makes a subvolume read-only for everybody, or writable again. Waits for the disk. */
export async function setReadOnly(path: string, readOnly: boolean, sys: Syscalls): Promise<void> {
  await onFolderAsync(path, async (fd) => {
    const now = flags(fd, sys);
    const wanted = readOnly ? now | SUBVOL_RDONLY : now & ~SUBVOL_RDONLY;
    if (wanted === now) return;
    const argument = Buffer.alloc(8);
    argument.writeBigUInt64LE(wanted);
    await sys.ioctlAsync(fd, IOC_SUBVOL_SETFLAGS, argument);
  });
}

function flags(fd: number, sys: Syscalls): bigint {
  const argument = Buffer.alloc(8);
  sys.ioctl(fd, IOC_SUBVOL_GETFLAGS, argument);
  return argument.readBigUInt64LE();
}

function named(name: string): Buffer {
  const args = Buffer.alloc(ARGS_BYTES);
  args.write(name, ARGS_NAME_AT);
  return args;
}

function onFolder<T>(path: string, use: (fd: number) => T): T {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

async function onFolderAsync(path: string, use: (fd: number) => Promise<void>): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await use(fd);
  } finally {
    closeSync(fd);
  }
}
