import { readFile } from 'node:fs/promises';

interface Mount {
  /** Minor number of the device: for FUSE, the number of its connection. */
  readonly minor: number;
  readonly path: string;
  readonly type: string;
}

/** The mounts that this process sees. */
export async function mounts(): Promise<Mount[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const [, , device = '', , path = ''] = before.split(' ');
      return { minor: Number(device.split(':')[1]), path: unescaped(path), type: after.split(' ')[0] ?? '' };
    });
}

export function isFuse({ type }: Mount): boolean {
  return type === 'fuse' || type.startsWith('fuse.') || type === 'fuseblk';
}

/** Where the unified control groups are. Undefined: nowhere. */
export async function cgroupMount(): Promise<string | undefined> {
  return (await mounts()).find(({ type }) => type === 'cgroup2')?.path;
}

/** Spaces, tabs, newlines and backslashes stand there in octal. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
