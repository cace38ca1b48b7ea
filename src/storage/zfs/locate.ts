import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { isAbsolute } from 'node:path';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { contains, type Dataset, type DatasetName } from '../../core/dataset.ts';
import { readFailure } from '../../wire/zfs/failure.ts';
import { type Mount, mountOf, mounts, textPath } from '../tree/mounts.ts';
import { type Commands, isAbsent } from './command.ts';
import { mountPointIn } from './mounted.ts';
import { isDatasetName, isProtected, poolOf } from './names.ts';
import { pathOf } from './store.ts';

/**
 * Finds the dataset that a caller means, by its name or by the path it is mounted at; see the port.
 *
 * @param home HAUKI_HOME: hauki's own data is not guarded by itself
 */
export function locator(
  home: string,
  commands: Commands,
): (target: string) => Promise<Result<Dataset, Refusal> | undefined> {
  let realHome: Promise<string> | undefined;

  async function locate(target: string): Promise<Result<Dataset, Refusal> | undefined> {
    if (isAbsolute(target)) return locatePath(target);
    if (!isDatasetName(target)) return undefined;
    if (isProtected(target)) return err(contained(target));
    // What is mounted, or has a device, is there: no program has to be asked.
    const table = await mounts();
    const mounted = mountPointIn(target, table);
    if (mounted !== undefined) return guarded(target, mounted, table);
    if (existsSync(pathOf(target, 'volume', undefined))) return ok({ name: target, driver: 'zfs' });
    const list = commands.zfs(['list', '-Hp', '-o', 'name', '-t', 'filesystem,volume', target]);
    const ran = await list.catch((error: unknown) => {
      if (isAbsent(error)) return undefined;
      throw error;
    });
    if (ran === undefined) return undefined;
    if (ran.code === 0) return ok({ name: target, driver: 'zfs' });
    const { kind, message } = readFailure(ran.stderr.toString());
    if (kind === 'missing' || kind === 'pool_gone') {
      const pool = poolOf(target);
      return err(
        refusal('dataset_missing', `There is no ZFS dataset ${target}.`, `"zfs list -r ${pool}" shows what there is.`),
      );
    }
    return err(refusal('dataset_unsupported', `${target} cannot be looked at: ${message}.`));
  }

  /** A path is a dataset's when it is mounted just there; what lies inside is for the directory driver. */
  async function locatePath(target: string): Promise<Result<Dataset, Refusal> | undefined> {
    const path = await realpath(target).catch(() => undefined);
    if (path === undefined) return undefined;
    const latin1 = Buffer.from(path).toString('latin1');
    const table = await mounts();
    const mount = table.findLast((one) => one.path === latin1);
    if (mount?.fsType !== 'zfs' || mount.root !== '/' || mount.source.includes('@')) return undefined;
    const name = textPath(mount.source);
    return isProtected(name) ? err(contained(name)) : guarded(name, path, table);
  }

  /** What holds HAUKI_HOME is not guarded: a rollback would undo what hauki remembers. */
  async function guarded(name: DatasetName, path: string, table: readonly Mount[]): Promise<Result<Dataset, Refusal>> {
    const ours = await (realHome ??= realpath(home).catch(() => home));
    // Only what lies on the very file system would go back with it.
    if (contains(path, ours) && mountOf(ours, table)?.path === mountOf(path, table)?.path) {
      return err(
        refusal(
          'dataset_protected',
          `${name} holds ${ours}, hauki's own data: a rollback of it would undo what hauki remembers.`,
        ),
      );
    }
    return ok({ name, driver: 'zfs', at: path });
  }

  return locate;
}

function contained(name: DatasetName): Refusal {
  return refusal(
    'dataset_protected',
    `${name} is hauki's own: failed states are kept there.`,
    'Guard the dataset that holds your state.',
  );
}
