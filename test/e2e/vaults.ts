import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { mountTable } from '../../src/vault/mounted.ts';
import { textPath } from '../../src/wire/mountinfo.ts';
import { until } from '../until.ts';
import type { Outcome, Place, Running, RunOptions } from './place.ts';
import { isAlive, processesOf } from './place.ts';

/* Vaults of a test's own: real gocryptfs on real FUSE mounts, all taken down after it. */

export interface VaultHere {
  readonly cipher: string;
  readonly mount: string;
  readonly keyFile: string;
  readonly key: string;
  readonly env: NodeJS.ProcessEnv;
  /** `hauki vault VERB` with what each verb needs. */
  readonly run: (verb: string, more?: readonly string[], options?: RunOptions) => Promise<Outcome>;
  /** `hauki vault mount`, mounted. */
  readonly keep: (more?: readonly string[], options?: RunOptions) => Promise<Running>;
  readonly isMounted: () => boolean;
  /** The gocryptfs processes that serve it. */
  readonly servers: () => number[];
  /** The path of something in it. */
  readonly at: (...names: readonly string[]) => string;
}

export const KEY = 'correct horse\tbattery "staple" €';

/** A vault that is made, or that is not yet there. */
export async function vaultIn(
  place: Place,
  { made = true, name = 'vault', cipher = join(place.folder, 'cipher') } = {},
): Promise<VaultHere> {
  const mount = join(place.folder, name);
  const keyFile = join(place.folder, 'vault.key');
  writeFileSync(keyFile, `${KEY}\n`, { mode: 0o600 });
  const env = { HAUKI_NODE_HOME: join(place.folder, 'node') };
  const where = ['--cipher', cipher, '--key-file', keyFile];
  const words = (verb: string): string[] => {
    if (verb === 'mount') return [...where, '--mount', mount];
    return ['status', 'unmount', 'remount'].includes(verb) ? ['--mount', mount] : where;
  };
  const run: VaultHere['run'] = (verb, more = [], options = {}) =>
    place.run(['vault', verb, ...words(verb), ...more], { ...options, env: { ...env, ...options.env } });
  const isMounted = (): boolean => mountsIn(mount).length > 0;
  takeDownAfter(place);
  const here: VaultHere = {
    cipher,
    mount,
    keyFile,
    key: KEY,
    env,
    run,
    keep: async (more = [], options = {}) => {
      const running = place.start(['vault', 'mount', ...words('mount'), ...more], {
        msMax: 600_000,
        ...options,
        env: { ...env, ...options.env },
      });
      await until(() => {
        if (running.child.exitCode !== null) throw new Error(`it ended: ${running.stdout()}${running.stderr()}`);
        return running.stdout().includes('is mounted on');
      }, 'it is mounted');
      return running;
    },
    isMounted,
    servers: () => serversOf(mount),
    at: (...names) => join(mount, ...names),
  };
  if (made) {
    const init = await run('init');
    if (init.code !== 0) throw new Error(`hauki vault init: ${init.stderr}`);
  }
  return here;
}

/** Whatever is mounted below a place goes before its files do. */
export function takeDownAfter({ folder }: Place): void {
  onTestFinished(() => {
    // First those who would mount it again.
    for (const pid of processesOf(folder)) process.kill(pid, 'SIGKILL');
    for (const pid of serversOf(folder)) process.kill(pid, 'SIGKILL');
    for (const path of mountsIn(folder).toReversed()) spawnSync('fusermount3', ['-uz', '--', path]);
  });
}

function mountsIn(folder: string): string[] {
  return mountTable()
    .map(({ path }) => textPath(path))
    .filter((path) => path === folder || path.startsWith(`${folder}/`));
}

/** The FUSE servers of what is mounted on or below this folder. */
export function serversOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const words = argvOf(pid);
      const point = words.at(-1) ?? '';
      const serves = /(^|\/)(gocryptfs|sshfs)$/.test(words[0] ?? '');
      return serves && isAlive(pid) && (point === folder || point.startsWith(`${folder}/`));
    });
}

export function argvOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0$/, '').split('\0');
  } catch {
    return [];
  }
}
