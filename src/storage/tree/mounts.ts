import { readFile } from 'node:fs/promises';

/** A mounted file system, as the kernel's table has it. Paths are bytes in a latin1 string, like those of entries. */
export interface Mount {
  readonly path: string;
  /** What of the file system is mounted there: '/' or a directory in it. */
  readonly root: string;
  readonly fsType: string;
  /** What it is a mount of: a device, or the name of a ZFS dataset or snapshot. */
  readonly source: string;
  readonly readOnly: boolean;
}

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

/** `36 35 98:0 /root /mount/point rw,noatime shared:1 - ext4 /dev/sda rw`; blanks and backslashes in paths come as octal `\040`. */
export function parseMountInfo(text: string): Mount[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [, , , root = '', path = '', options = ''] = left.split(' ');
    const readOnly = options.split(',').includes('ro');
    const [fsType = '', source = ''] = right.split(' ');
    return { path: unescape(path), root: unescape(root), fsType, source: unescape(source), readOnly };
  });
}

/** The mount that a path lies on: the longest mount point that leads to it, the last one there. */
export function mountOf(path: string, table: readonly Mount[]): Mount | undefined {
  const wanted = latin1(path);
  let found: Mount | undefined;
  for (const mount of table) {
    const leads = mount.path === '/' || wanted === mount.path || wanted.startsWith(`${mount.path}/`);
    if (leads && mount.path.length >= (found?.path.length ?? 0)) found = mount;
  }
  return found;
}

/** Mount points strictly inside a directory, relative to it. */
export function mountsInside(root: string, table: readonly Mount[]): string[] {
  const prefix = root === '/' ? '/' : `${latin1(root)}/`;
  const inside = table.filter(({ path }) => path.startsWith(prefix) && path !== prefix);
  return [...new Set(inside.map(({ path }) => path.slice(prefix.length)))];
}

/** Mount points are bytes in a latin1 string; Node wants UTF-8. */
export function textPath(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}

function latin1(path: string): string {
  return Buffer.from(path).toString('latin1');
}

function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
