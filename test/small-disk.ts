import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll } from 'vitest';

/**
 * A file system of its own for the tests of a `describe`, small enough to be filled.
 *
 * @returns where it is mounted
 */
export function smallDisk(bytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-full-'));
  const disk = join(folder, 'mnt');
  beforeAll(() => {
    const image = join(folder, 'image');
    writeFileSync(image, '');
    truncateSync(image, bytes);
    mkdirSync(disk);
    // -m 0: no blocks kept back for root.
    run('mkfs.ext4', '-q', '-m', '0', image);
    run('mount', '-o', 'loop', image, disk);
  });
  afterAll(() => {
    run('umount', '--lazy', disk);
    rmSync(folder, { recursive: true, force: true });
  });
  return disk;
}

function run(command: string, ...args: readonly string[]): void {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', env });
  if (status !== 0) throw new Error(`${command} failed: ${stderr}`);
}
