import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { ROOT } from './place.ts';

export const EXE = join(ROOT, `exe/hauki-linux-${process.arch}`);

/** Makes the executable of what dist/ is now, unless it is there. Files of tests run at once: one of them makes it, the others wait. */
export function buildExecutable(): void {
  const build = [process.execPath, join(ROOT, 'scripts/build-exe.mjs')];
  const built = spawnSync('flock', [join(ROOT, 'tools/bun/package.json'), ...build], { encoding: 'utf8' });
  if (built.status !== 0) throw new Error(built.error?.message ?? built.stderr);
}
