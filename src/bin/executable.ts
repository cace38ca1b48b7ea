import { createHash } from 'node:crypto';
import { createReadStream, existsSync, realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { Arch, Program } from '../install/program.ts';
import { STANDALONE } from './standalone.ts';

/**
 * The executable for an architecture: the one that is named, this one itself, or what `npm run build:exe` made.
 *
 * @throws RefusedError `install_refused` when there is none
 */
export async function executableFor(arch: Arch, named: string | undefined): Promise<Omit<Program, 'path'>> {
  const file = named ?? ownOrBuilt(arch);
  if (!existsSync(file))
    throw new RefusedError(
      refusal(
        'install_refused',
        `There is no executable for ${arch}: ${file} is missing.`,
        'Make it with "npm run build:exe", or name one with --executable. Nothing was changed.',
      ),
    );
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return { sha256: hash.digest('hex'), bytes: () => readFile(file) };
}

function ownOrBuilt(arch: Arch): string {
  if (STANDALONE && process.arch === arch) return process.execPath;
  const beside = STANDALONE ? dirname(process.execPath) : join(dirname(realpathSync(process.argv[1] ?? '.')), '../exe');
  return join(beside, `hauki-linux-${arch}`);
}
