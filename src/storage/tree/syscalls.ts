import { constants } from 'node:fs';
import { getSystemErrorMap } from 'node:util';

/** A system call that said no, in the shape of Node's own errors, so that callers judge both by `code`. */
export class SystemCallError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, errno: number) {
    const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
    super(`${code}: ${text}, ${syscall}`);
    this.name = 'SystemCallError';
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** `errno` as its name, of an error of Node's or ours; undefined for any other throw. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** From <fcntl.h> and <linux/openat2.h>, where Node has no name for them. */
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const RESOLVE_NO_XDEV = 0x01n;
const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_NO_SYMLINKS = 0x04n;
const RESOLVE_BENEATH = 0x08n;
const SYS_OPENAT2 = 437;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const UTIME_OMIT = 0x3ffffffen;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const FICLONE = 0x40049409;
const FADV_DONTNEED = 4;
/** Wait for what is being written, write the rest, and wait for that. */
const SYNC_FILE_RANGE_ALL = 1 | 2 | 4;
const ENXIO = 6;

export const OPEN_PARENT = O_PATH | O_CLOEXEC | constants.O_DIRECTORY | constants.O_NOFOLLOW;
export const OPEN_HANDLE = O_PATH | O_CLOEXEC | constants.O_NOFOLLOW;

/** The system calls that Node lacks. All are quick and made directly, but for `drain`, `syncfs` and `ioctlAsync`, which wait for a disk. */
export interface Syscalls {
  /** Whether there are any extended attributes. The path ends with a NUL; what comes behind it does not matter. */
  hasXattrs(terminatedPath: Buffer): boolean;
  /** Names of the extended attributes of a path; a symlink's own. Empty where the file system has none. */
  llistxattr(path: Buffer): string[];
  /** undefined when it is gone by now. */
  lgetxattr(path: Buffer, name: string): Buffer | undefined;
  lsetxattr(path: Buffer, name: string, value: Buffer): void;
  lremovexattr(path: Buffer, name: string): void;
  /** Sets the modification time, `<seconds>.<nanoseconds>`; of a symlink its own. */
  setMtime(path: Buffer, mtime: string): void;
  /**
   * Hands what the kernel keeps of the content behind `fd` to the device, and then lets go of it. The device is not told to make it
   * last: after a power cut it may be missing.
   */
  drain(fd: number): Promise<void>;
  /** Writes everything of the file system behind `fd` to the disk. */
  syncfs(fd: number): Promise<void>;
  /** Start of the next data at or after `offset`; undefined when only a hole follows. */
  seekData(fd: number, offset: number): number | undefined;
  /** Start of the next hole at or after `offset`; the file's end counts as one. */
  seekHole(fd: number, offset: number): number;
  /** Makes `to` share the content of `from`. False when these two file systems cannot. */
  reflink(from: number, to: number): boolean;
  mknod(path: Buffer, mode: number, device: number): void;
  /**
   * Opens a directory below another, following no symlink and crossing no mount; undefined where the kernel is too old for that.
   * What is opened here is closed by `close`: Node keeps count of its own descriptors.
   */
  openBeneath(directory: number, path: Buffer): number | undefined;
  close(fd: number): void;
  /** A pipe for two children to talk over. Close both ends once the children have theirs. */
  pipe(): { readonly read: number; readonly write: number };
  ioctl(fd: number, request: number, argument: Buffer): void;
  ioctlAsync(fd: number, request: number, argument: Buffer): Promise<void>;
}

/** A C function, as koffi binds it. */
interface Native {
  (...args: unknown[]): unknown;
  readonly async: (...args: unknown[]) => unknown;
}

let loaded: Promise<Syscalls> | undefined;

/** Loaded at the first call: most commands of the CLI never need it, and it takes some milliseconds. */
export function syscalls(): Promise<Syscalls> {
  return (loaded ??= load());
}

async function load(): Promise<Syscalls> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load(null);
  // On 64-bit Linux long, ssize_t and off_t are intptr_t; that is what Node runs on.
  const listxattr = libc.func('intptr_t llistxattr(const void *path, void *list, size_t size)');
  const getxattr = libc.func('intptr_t lgetxattr(const void *path, const void *name, void *value, size_t size)');
  const setxattr = libc.func(
    'int lsetxattr(const void *path, const void *name, const void *value, size_t size, int flags)',
  );
  const removexattr = libc.func('int lremovexattr(const void *path, const void *name)');
  const utimensat = libc.func('int utimensat(int dirfd, const void *path, const void *times, int flags)');
  const syncfs = libc.func('int syncfs(int fd)');
  const syncFileRange = libc.func('int sync_file_range(int fd, intptr_t offset, intptr_t length, unsigned int flags)');
  const fadvise = libc.func('int posix_fadvise(int fd, intptr_t offset, intptr_t length, int advice)');
  const lseek = libc.func('intptr_t lseek(int fd, intptr_t offset, int whence)');
  const cloneFile = libc.func('int ioctl(int fd, uintptr_t request, int from)');
  const control = libc.func('int ioctl(int fd, uintptr_t request, void *argument)');
  const mknod = libc.func('int mknod(const void *path, unsigned int mode, uintptr_t dev)');
  const close = libc.func('int close(int fd)');
  const pipe2 = libc.func('int pipe2(void *fds, int flags)');
  const openat2 = libc.func(
    'intptr_t syscall(intptr_t number, int dirfd, const void *path, const void *how, size_t size)',
  );

  /** Calls it; a negative answer becomes a throw, unless it is one of those expected. */
  function call(syscall: string, fn: Native, args: unknown[], expected: readonly string[] = []): number {
    const answer = Number(fn(...args));
    if (answer >= 0) return answer;
    const error = new SystemCallError(syscall, koffi.errno());
    if (expected.includes(error.code)) return -error.errno;
    throw error;
  }

  /** The same on a thread of its own. `errno` is the calling thread's, and koffi hands it over with the answer. */
  function callAsync(syscall: string, fn: Native, args: unknown[]): Promise<void> {
    return new Promise((resolve, reject) => {
      fn.async(...args, (error: Error | null, answer: number) => {
        if (error !== null) reject(error);
        else if (answer < 0) reject(new SystemCallError(syscall, koffi.errno()));
        else resolve();
      });
    });
  }

  /** Asks with a buffer that is nearly always large enough, and with the largest there can be when it is not. */
  function sized(syscall: string, ask: (into: Buffer) => number): Buffer | undefined {
    const answer = ask(scratch);
    if (answer >= 0) return Buffer.from(scratch.subarray(0, answer));
    if (answer !== -ERANGE) return undefined;
    const large = Buffer.alloc(XATTR_BYTES_MAX);
    const again = ask(large);
    if (again < 0) throw new SystemCallError(syscall, -again);
    return large.subarray(0, again);
  }

  const scratch = Buffer.alloc(1024);
  const times = Buffer.alloc(32);
  const how = Buffer.alloc(24);
  let openat2Works = true;

  return {
    hasXattrs: (terminatedPath) => call('llistxattr', listxattr, [terminatedPath, null, 0], ['ENOTSUP']) > 0,
    llistxattr(path) {
      const names = sized('llistxattr', (into) =>
        call('llistxattr', listxattr, [terminated(path), into, into.length], ['ERANGE', 'ENOTSUP']),
      );
      return names === undefined || names.length === 0 ? [] : names.toString('latin1', 0, names.length - 1).split('\0');
    },
    lgetxattr(path, name) {
      return sized('lgetxattr', (into) =>
        call(
          'lgetxattr',
          getxattr,
          [terminated(path), attribute(name), into, into.length],
          ['ERANGE', 'ENODATA', 'ENOTSUP'],
        ),
      );
    },
    lsetxattr: (path, name, value) =>
      void call('lsetxattr', setxattr, [terminated(path), attribute(name), value, value.length, 0]),
    lremovexattr: (path, name) =>
      void call('lremovexattr', removexattr, [terminated(path), attribute(name)], ['ENODATA']),
    setMtime(path, mtime) {
      const [seconds = '0', fraction = ''] = mtime.split('.');
      times.writeBigInt64LE(0n, 0);
      times.writeBigInt64LE(UTIME_OMIT, 8);
      times.writeBigInt64LE(BigInt(seconds), 16);
      times.writeBigInt64LE(BigInt(fraction.slice(0, 9).padEnd(9, '0')), 24);
      call('utimensat', utimensat, [AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW]);
    },
    async drain(fd) {
      await callAsync('sync_file_range', syncFileRange, [fd, 0, 0, SYNC_FILE_RANGE_ALL]);
      // It hands over the error as its answer.
      const errno = Number(fadvise(fd, 0, 0, FADV_DONTNEED));
      if (errno !== 0) throw new SystemCallError('posix_fadvise', errno);
    },
    syncfs: (fd) => callAsync('syncfs', syncfs, [fd]),
    seekData(fd, offset) {
      const at = call('lseek', lseek, [fd, offset, SEEK_DATA], ['ENXIO']);
      return at === -ENXIO ? undefined : at;
    },
    seekHole: (fd, offset) => call('lseek', lseek, [fd, offset, SEEK_HOLE]),
    reflink: (from, to) =>
      call(
        'ioctl FICLONE',
        cloneFile,
        [to, FICLONE, from],
        ['EXDEV', 'ENOTSUP', 'EINVAL', 'ENOTTY', 'EPERM', 'ETXTBSY'],
      ) >= 0,
    mknod: (path, mode, device) => void call('mknod', mknod, [terminated(path), mode, device]),
    openBeneath(directory, path) {
      if (!openat2Works) return undefined;
      how.writeBigUInt64LE(BigInt(OPEN_PARENT), 0);
      how.writeBigUInt64LE(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH, 16);
      // ENOSYS before Linux 5.6; EPERM from container runtimes that do not know the call yet.
      const fd = call(
        'openat2',
        openat2,
        [SYS_OPENAT2, directory, terminated(path), how, how.length],
        ['ENOSYS', 'EPERM'],
      );
      openat2Works = fd >= 0;
      return openat2Works ? fd : undefined;
    },
    close: (fd) => void call('close', close, [fd]),
    pipe() {
      const ends = Buffer.alloc(8);
      call('pipe2', pipe2, [ends, O_CLOEXEC]);
      return { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
    },
    ioctl: (fd, request, argument) => void call('ioctl', control, [fd, request, argument]),
    ioctlAsync: (fd, request, argument) => callAsync('ioctl', control, [fd, request, argument]),
  };
}

const ERANGE = 34;
const XATTR_BYTES_MAX = 65_536;

function terminated(path: Buffer): Buffer {
  return Buffer.concat([path, Buffer.of(0)]);
}

/** Names of attributes are bytes, too, kept as latin1. */
function attribute(name: string): Buffer {
  return Buffer.from(`${name}\0`, 'latin1');
}
