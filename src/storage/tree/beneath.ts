import { closeSync, constants, fstatSync, openSync } from 'node:fs';

import { bytesOf, nameOf, parentOf } from './entry.ts';
import { OPEN_HANDLE, OPEN_PARENT, type Syscalls, SystemCallError } from './syscalls.ts';

const OPEN_PARENTS_MAX = 64;
const EXDEV = 18;

interface Opened {
  readonly fd: number;
  readonly close: (fd: number) => void;
}

/**
 * Paths inside one directory tree that cannot lead out of it. Between looking at a tree and working on it, somebody may put a
 * symlink or a mount in the place of a directory; as root that would let him have any file of the host overwritten. So each
 * directory is opened below the root by the kernel's own rules (no symlinks, no mounts), and everything in it is reached through
 * that open directory: `/proc/self/fd/<n>/<name>`. Such paths also stay short, however deep the tree.
 */
export class Beneath {
  readonly #root: number;
  readonly #dev: number;
  readonly #sys: Syscalls;
  /** Open directories by their path, the one used last at the end. */
  readonly #open = new Map<string, Opened>();

  constructor(root: string, sys: Syscalls) {
    this.#root = openSync(root, OPEN_PARENT);
    this.#dev = fstatSync(this.#root).dev;
    this.#sys = sys;
  }

  /** Where to find an entry, for calls that do not follow a symlink in the last part. Good for the next few calls. */
  at(path: string): Buffer {
    // The dot, because `/proc/self/fd/<n>` is itself a symlink to whoever does not follow one.
    if (path === '') return Buffer.from(`/proc/self/fd/${this.#root}/.`);
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.#directory(parentOf(path))}/`), bytesOf(nameOf(path))]);
  }

  /**
   * Calls with a path of an entry that is no symlink, good for calls that would follow one (chmod): what is opened here is the
   * entry itself, whatever is put in its place meanwhile.
   */
  handle(path: string, use: (handle: Buffer) => void): void {
    const fd = openSync(this.at(path), OPEN_HANDLE);
    try {
      use(Buffer.from(`/proc/self/fd/${fd}`));
    } finally {
      closeSync(fd);
    }
  }

  /** Opens a regular file for reading. A FIFO in its place does not hang, a symlink is not followed. */
  read(path: string): number {
    return openSync(this.at(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  }

  /** Forgets an open directory, because it was moved or removed; and what lies in it. */
  forget(path: string): void {
    for (const [open, { fd, close }] of this.#open) {
      if (open !== path && !open.startsWith(`${path}/`)) continue;
      this.#open.delete(open);
      close(fd);
    }
  }

  close(): void {
    for (const { fd, close } of this.#open.values()) close(fd);
    this.#open.clear();
    closeSync(this.#root);
  }

  #directory(path: string): number {
    if (path === '') return this.#root;
    const opened = this.#open.get(path) ?? this.#openAnew(path);
    this.#open.delete(path);
    this.#open.set(path, opened);
    if (this.#open.size > OPEN_PARENTS_MAX) {
      const [oldest] = this.#open;
      if (oldest !== undefined) {
        oldest[1].close(oldest[1].fd);
        this.#open.delete(oldest[0]);
      }
    }
    return opened.fd;
  }

  #openAnew(path: string): Opened {
    const fd = this.#sys.openBeneath(this.#root, bytesOf(path));
    if (fd !== undefined) return { fd, close: (opened) => this.#sys.close(opened) };
    return { fd: this.#stepwise(path), close: closeSync };
  }

  /** Before Linux 5.6: one part of the path after the other. It does not notice a bind mount of the same file system. */
  #stepwise(path: string): number {
    let fd = this.#root;
    for (const name of path.split('/')) {
      const next = openSync(Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), bytesOf(name)]), OPEN_PARENT);
      if (fd !== this.#root) closeSync(fd);
      fd = next;
    }
    if (fstatSync(fd).dev === this.#dev) return fd;
    closeSync(fd);
    throw new SystemCallError('open', EXDEV);
  }
}
