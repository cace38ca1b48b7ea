import type { Changes } from '../../ports/storage.ts';
import { textOf } from '../path.ts';
import type { DiffEntry } from './diff.ts';

/** Where the name of a file would stand that has none any more, but is still open. Glued to the mount point, without a slash. */
const NAMELESS = '(on_delete_queue)';
/** With `xattr=on`, extended attributes are files in a hidden directory of this name below the file they belong to. */
const XATTRS = /^(?:(.*)\/)?<xattrdir>(?:\/.*)?$/s;

/**
 * What `zfs diff` told, as a path is added, removed or modified:
 *
 * - A rename is its old path removed and its new one added. What is both, because one thing took the place of another, is modified.
 * - A link count that changed is a modification of the path named: the other drivers say so of every name of such a file.
 * - A directory is not reported when things right inside came, went or were replaced: that alone made it "modified".
 * - An extended attribute is a modification of its file. (A real directory named `<xattrdir>` looks the same, and is taken for one.)
 * - What has no name (unlinked but still open) does not exist for anybody who looks, so it is left out on that side.
 *
 * `zfs diff` compares objects by their change times, not their content, and is silent about more: see `untold`.
 *
 * @param mountpoint where the dataset was mounted, without a trailing slash; bytes in a latin1 string, as in the entries
 * @param ownChanges directories (as in `Untold`) that did change themselves, and are reported whatever happened inside
 * @throws {TypeError} for a path outside the mount point
 */
export function changesFrom(
  entries: Iterable<DiffEntry>,
  mountpoint: string,
  ownChanges: ReadonlySet<string> = new Set(),
): Changes {
  const { gone, come, touched, directories, disturbed } = sorted(entries, mountpoint);
  const both = (path: string) => gone.has(path) && come.has(path);
  const itself = (path: string) => !directories.has(path) || !disturbed.has(path) || ownChanges.has(path);
  const modified = [...touched].filter((path) => !gone.has(path) && !come.has(path) && itself(path));
  return {
    added: texts([...come].filter((path) => !both(path))),
    modified: texts([...modified, ...[...come].filter(both)]),
    removed: texts([...gone].filter((path) => !both(path))),
  };
}

/** What `zfs diff` leaves open, to be looked up in the two states. Paths relative to the root, bytes in latin1 strings; the root is ''. */
export interface Untold {
  /**
   * Renamed directories. What lies in them has another path too, but only what was changed besides is told. To complete a list of
   * entries, add a `renamed` one for each path below `to` in the later state that no entry names.
   */
  readonly moved: readonly { readonly from: string; readonly to: string }[];
  /**
   * Files whose link count changed: the names that came or went are not told, nor whether the content changed. (Where as many names
   * came as went, the file looks renamed, or merely modified: nothing at all hints at that.)
   */
  readonly linked: readonly string[];
  /** Directories with changes right inside: whether their mode, owner or attributes changed as well is not told. */
  readonly directories: readonly string[];
}

/**
 * The questions that stay open after `zfs diff`.
 *
 * @param mountpoint as for `changesFrom`
 * @throws {TypeError} for a path outside the mount point
 */
export function untold(entries: Iterable<DiffEntry>, mountpoint: string): Untold {
  const all = [...entries];
  const { touched, directories, disturbed, gone, come } = sorted(all, mountpoint);
  const moved = all.flatMap(({ change, type, path, to }) => {
    if (change !== 'renamed' || type !== 'directory' || to === undefined) return [];
    const [from, now] = [relative(path, mountpoint), relative(to, mountpoint)];
    return from === undefined || now === undefined ? [] : [{ from, to: now }];
  });
  const linked = all.flatMap(({ links, path }) => (links === undefined ? [] : (relative(path, mountpoint) ?? [])));
  const open = [...touched].filter((path) => directories.has(path) && disturbed.has(path));
  return { moved, linked, directories: open.filter((path) => !gone.has(path) && !come.has(path)) };
}

interface Sorted {
  readonly gone: ReadonlySet<string>;
  readonly come: ReadonlySet<string>;
  readonly touched: ReadonlySet<string>;
  /** Those of the touched whose entry is all there is about them: an attribute of their own, for one, would be more. */
  readonly directories: ReadonlySet<string>;
  /** Directories in which something came or went. */
  readonly disturbed: ReadonlySet<string>;
}

function sorted(entries: Iterable<DiffEntry>, mountpoint: string): Sorted {
  const [gone, come, touched] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const [directories, changed] = [new Set<string>(), new Set<string>()];
  for (const { change, type, path, to } of entries) {
    const before = relative(path, mountpoint);
    const after = to === undefined ? before : relative(to, mountpoint);
    const owner = [before, after].map((at) => (at === undefined ? undefined : XATTRS.exec(at)));
    const attribute = owner[1] ?? owner[0];
    if (attribute) {
      const file = attribute[1] ?? '';
      touched.add(file);
      changed.add(file);
    } else if (change === 'modified') {
      if (before === undefined) continue;
      touched.add(before);
      if (type === 'directory') directories.add(before);
    } else {
      if (change !== 'added' && before !== undefined) gone.add(before);
      if (change !== 'removed' && after !== undefined) come.add(after);
    }
  }
  for (const path of changed) directories.delete(path);
  const disturbed = new Set([...gone, ...come].filter((path) => path !== '').map(parentOf));
  return { gone, come, touched, directories, disturbed };
}

/** '' for the root itself; undefined for what has no name. */
function relative(path: string, mountpoint: string): string | undefined {
  const prefix = mountpoint === '/' ? '' : mountpoint;
  if (path === `${prefix}${NAMELESS}`) return undefined;
  if (!path.startsWith(`${prefix}/`)) throw new TypeError(`${textOf(path)} does not lie in ${textOf(mountpoint)}`);
  return path.slice(prefix.length + 1);
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

function texts(paths: readonly string[]): string[] {
  return paths.map(textOf).toSorted();
}
