import { readFile } from 'node:fs/promises';

import { bytesPath, type Mount, parseMountInfo, textPath } from '../../wire/mountinfo.ts';

export { type Mount, textPath };

let reading: Promise<readonly Mount[]> | undefined;
let last: { readonly text: string; readonly table: readonly Mount[] } = { text: '', table: [] };

/**
 * All mounts of this process's view, the later ones covering the earlier. The kernel writes the table anew for whoever reads it, which
 * takes its time where there are many; so those who ask at the same moment share one reading.
 */
export function mounts(): Promise<readonly Mount[]> {
  return (reading ??= read().finally(() => (reading = undefined)));
}

async function read(): Promise<readonly Mount[]> {
  const text = await readFile('/proc/self/mountinfo', 'latin1');
  if (text !== last.text) last = { text, table: parseMountInfo(text) };
  return last.table;
}

/** The mount that a path lies on: the longest mount point that leads to it, the last one there. */
export function mountOf(path: string, table: readonly Mount[]): Mount | undefined {
  const wanted = bytesPath(path);
  let found: Mount | undefined;
  for (const mount of table) {
    const leads = mount.path === '/' || wanted === mount.path || wanted.startsWith(`${mount.path}/`);
    if (leads && mount.path.length >= (found?.path.length ?? 0)) found = mount;
  }
  return found;
}

/**
 * Every path at which the table has what lies at this one, the first mounted first: bind mounts, and subvolumes that are mounted again,
 * show the same directory in several places. Some may be covered by other mounts. Without those that can only be read, if this one can
 * be written.
 */
export function namesOf(path: string, table: readonly Mount[]): string[] {
  const own = mountOf(path, table);
  if (own === undefined) return [path];
  const inside = rest(bytesPath(path), own.path) ?? '';
  const whole = `${own.root === '/' ? '' : own.root}${inside}`;
  const names = table
    .filter(({ device, readOnly }) => device === own.device && (own.readOnly || !readOnly))
    .flatMap((mount) => {
      const below = rest(whole === '' ? '/' : whole, mount.root);
      return below === undefined ? [] : [textPath(`${mount.path === '/' ? '' : mount.path}${below}` || '/')];
    });
  return [...new Set(names)];
}

/** @returns what leads on from a directory to a path in it, `/a/b` or nothing; undefined when the path is not in it */
function rest(path: string, folder: string): string | undefined {
  if (folder === '/') return path === '/' ? '' : path;
  return path === folder || path.startsWith(`${folder}/`) ? path.slice(folder.length) : undefined;
}

/** Mount points strictly inside a directory, relative to it. */
export function mountsInside(root: string, table: readonly Mount[]): string[] {
  const prefix = root === '/' ? '/' : `${bytesPath(root)}/`;
  const inside = table.filter(({ path }) => path.startsWith(prefix) && path !== prefix);
  return [...new Set(inside.map(({ path }) => path.slice(prefix.length)))];
}
