import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { runHost } from './host.ts';

/** What of a checkout does not belong to what is tested, or would only make the cargo larger. */
const LEFT_BEHIND = new Set(['tools', '.git', '.lab', 'coverage', '.setup.lock']);

export interface Cargo {
  /** A squashfs file with the checkout, and in `.lab/` what the guest needs of this run. */
  readonly file: string;
  /** Folder with `key` and `known_hosts`. */
  readonly keys: string;
}

/**
 * Packs the checkout as it is, the Node that runs here, and fresh keys. A squashfs, since it is made without a mount and
 * without a copy, in seconds; not compressed, which would cost the guest more time than it saves.
 *
 * @param root the checkout, built
 */
export async function packCargo(root: string, scratch: string, stop: AbortSignal): Promise<Cargo> {
  const own = join(scratch, '.lab');
  const keys = join(scratch, 'keys');
  mkdirSync(own);
  mkdirSync(keys);
  for (const file of [join(own, 'host_key'), join(keys, 'key')])
    await runHost(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'lab', '-f', file], { stop });
  copyFileSync(join(keys, 'key.pub'), join(own, 'key.pub'));
  writeFileSync(join(keys, 'known_hosts'), `lab ${readFileSync(join(own, 'host_key.pub'), 'utf8')}`);
  copyFileSync(process.execPath, join(own, 'node'));
  chmodSync(join(own, 'node'), 0o755);

  const file = join(scratch, 'cargo.squashfs');
  const entries = readdirSync(root).filter((name) => !LEFT_BEHIND.has(name));
  const plain = [
    '-noI',
    '-noD',
    '-noF',
    '-noX',
    '-no-xattrs',
    '-all-root',
    '-root-mode',
    '755',
    '-no-progress',
    '-quiet',
  ];
  await runHost(
    ['mksquashfs', ...entries, own, file, ...plain, '-wildcards', '-e', 'node_modules/.cache', 'node_modules/.vite*'],
    { stop, cwd: root },
  );
  return { file, keys };
}
