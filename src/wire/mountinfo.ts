/** A mounted file system, as the kernel's table has it. Paths are bytes in a latin1 string, as some are no UTF-8. */
export interface Mount {
  readonly path: string;
  /** What of the file system is mounted there: '/' or a directory in it. */
  readonly root: string;
  /** `major:minor` of its device: for FUSE, the minor is the number of its connection, and no two that live have the same. */
  readonly device: string;
  readonly fsType: string;
  /** What it is a mount of: a device, or the name of a ZFS dataset or snapshot. */
  readonly source: string;
  readonly readOnly: boolean;
}

/** `36 35 98:0 /root /mount/point rw,noatime shared:1 - ext4 /dev/sda rw`; blanks and backslashes in paths come as octal `\040`. */
export function parseMountInfo(text: string): Mount[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [, , device = '', root = '', path = '', options = ''] = left.split(' ');
    const readOnly = options.split(',').includes('ro');
    const [fsType = '', source = ''] = right.split(' ');
    return { path: unescape(path), root: unescape(root), device, fsType, source: unescape(source), readOnly };
  });
}

/** `major:minor`, as the table has it, of what stat calls `dev`: 8 bits of the minor number, 12 of the major, the rest of the minor. */
export function deviceOf(dev: number): string {
  return `${(dev >>> 8) & 0xfff}:${(dev & 0xff) | ((dev >>> 12) & 0xf_ff00)}`;
}

/** Mount points are bytes in a latin1 string; Node wants UTF-8. */
export function textPath(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}

/** And the way back. */
export function bytesPath(path: string): string {
  return Buffer.from(path).toString('latin1');
}

function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
