import { access, constants, lstat, realpath, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { contains, type DriverName, overlap } from '../../core/dataset.ts';
import { mountOf, mounts, namesOf } from './mounts.ts';
import { errorCode } from './syscalls.ts';

/** File systems that are windows into the kernel: there is no state in them to go back to. */
const PSEUDO = new Set(
  'autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl mqueue nsfs proc pstore rpc_pipefs securityfs selinuxfs sysfs tracefs'.split(
    ' ',
  ),
);

export interface Place {
  /** Directories that hold hauki's own data; missing ones do not matter. */
  readonly own: readonly string[];
  /** Inside of them, and free to be guarded all the same: where scratch datasets live. */
  readonly except: readonly string[];
}

/**
 * Turns what a caller named into the real path of a directory that can be guarded: there, a directory, readable to us and ours
 * to restore, no part of hauki itself and no part of the kernel.
 *
 * @returns undefined when it is no absolute path: then it is some other backend's name
 */
export async function guardable(target: string, { own, except }: Place): Promise<Result<string, Refusal> | undefined> {
  if (!isAbsolute(target)) return undefined;
  const found = await real(target);
  if (!found.ok) return found;
  const path = await firstNameOf(found.value);

  const free = (await Promise.all(except.map(realOrSame))).some((place) => contains(place, path));
  const ours = (await Promise.all(own.map(realOrSame))).find((place) => overlap(place, path));
  if (ours !== undefined && !free) {
    const how = path === ours ? 'is' : contains(path, ours) ? `holds ${ours},` : `lies in ${ours},`;
    return err(
      refusal(
        'dataset_protected',
        `${path} ${how} hauki's own data: a rollback of it would undo what hauki remembers.`,
      ),
    );
  }
  const mount = mountOf(path, await mounts());
  if (mount !== undefined && PSEUDO.has(mount.fsType)) {
    return err(
      refusal(
        'dataset_unsupported',
        `${path} lies on a ${mount.fsType} file system, which is a view of the kernel and not stored.`,
        'Guard a directory on a disk.',
      ),
    );
  }
  return ok(path);
}

/** Only a pool freezes what lies in several datasets at one moment. */
export function notRecursive(driver: DriverName): Refusal {
  return refusal(
    'dataset_unsupported',
    `The ${driver} storage cannot freeze a dataset together with those inside it at one moment.`,
    'Name each of them, or put the state on ZFS.',
  );
}

/** Whether this process could write everything back: `dataset_unsupported` says why not. */
export async function restorable(path: string): Promise<Result<string, Refusal>> {
  const no = (why: string, hint: string) => err(refusal('dataset_unsupported', `${path} ${why}`, hint));
  try {
    await access(path, constants.R_OK | constants.X_OK);
    await access(path, constants.W_OK);
    return ok(path);
  } catch (error) {
    if (errorCode(error) === 'EROFS')
      return no('is on a read-only file system: nothing there can change, or be put back.', 'Mount it writable.');
    const { uid } = await stat(path);
    if (errorCode(error) === 'EACCES' && uid === process.geteuid?.()) return ok(path);
    return no(
      `cannot be read and written by the user hauki runs as (${errorCode(error) ?? String(error)}).`,
      'Run the controller as root, or as the owner of the directory.',
    );
  }
}

async function real(target: string): Promise<Result<string, Refusal>> {
  const missing = (why: string, hint?: string) =>
    err(refusal('dataset_missing', `${JSON.stringify(target)} ${why}`, hint));
  if (target.includes('\0')) return missing('has a NUL byte in it, which no path has.');
  try {
    const bytes = await realpath(target, { encoding: 'buffer' });
    const path = bytes.toString();
    if (!Buffer.from(path).equals(bytes)) {
      return err(
        refusal(
          'dataset_unsupported',
          `The real path of ${target} is not UTF-8, and cannot be a dataset's name.`,
          'Rename the directory, or guard one above it.',
        ),
      );
    }
    if (!(await lstat(path)).isDirectory()) {
      return err(refusal('dataset_unsupported', `${path} is not a directory.`, 'Guard the directory that holds it.'));
    }
    return ok(path);
  } catch (error) {
    switch (errorCode(error)) {
      case 'ENOENT':
        return missing('does not exist.');
      case 'ENOTDIR':
        return missing('leads through something that is not a directory.');
      case 'ELOOP':
        return missing('leads through symlinks in a circle.');
      case 'ENAMETOOLONG':
        return missing('is longer than a path can be.');
      case 'EACCES':
        return err(
          refusal(
            'dataset_unsupported',
            `${target} cannot be reached by the user hauki runs as.`,
            'Run the controller as root, or as the owner of the directory.',
          ),
        );
      default:
        throw error;
    }
  }
}

async function realOrSame(path: string): Promise<string> {
  return realpath(path).then(firstNameOf, () => path);
}

/**
 * One name for one directory, wherever it is mounted: two would be locked by two at once, and a rollback of the one would undo the other.
 *
 * @param path a real one
 */
async function firstNameOf(path: string): Promise<string> {
  const names = namesOf(path, await mounts());
  if (names.length < 2) return path;
  const { dev, ino } = await lstat(path);
  for (const name of names) {
    const there = await lstat(name).catch(() => undefined);
    // Another mount may lie over it, or its folder be closed to us.
    if (there?.dev === dev && there.ino === ino) return name;
  }
  return path;
}
