import { readdirSync } from 'node:fs';

import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import { VAULT_TYPE } from '../../vault/gocryptfs.ts';
import { type Keeper, keeperOf } from '../../vault/lock.ts';
import { placeOf } from '../../vault/mount-point.ts';
import { mountAt, pulseOf, usersOf } from '../../vault/mounted.ts';
import { detach, unmount } from '../../vault/unmounting.ts';
import { orThrow } from '../../vault/vault.ts';
import { type Mount, textPath } from '../../wire/mountinfo.ts';
import { oneLine, printJson, printText } from '../output.ts';
import { mountOf } from '../vault-settings.ts';

export interface StatusOptions {
  readonly mount?: string;
  readonly json?: boolean;
}

export interface UnmountOptions extends StatusOptions {
  readonly force?: boolean;
}

const EXIT_AWAY = 75;
const PULSE_MS = 3_000;
const WAIT_MS_MAX = 60_000;
const LOOK_MS = 50;

/** `alive`, `dead`, `hanging`: it is mounted; see Pulse. `elsewise`: something that is no vault is. */
type Standing = 'alive' | 'dead' | 'hanging' | 'elsewise' | 'unmounted';

/** `hauki vault status`. @returns the exit code */
export async function vaultStatus(options: StatusOptions): Promise<number> {
  const mount = await placed(options);
  const found = mountAt(mount);
  const keeper = await keeperOf(mount);
  const standing: Standing =
    found === undefined ? 'unmounted' : found.fsType === VAULT_TYPE ? await pulseOf(mount, PULSE_MS) : 'elsewise';
  const bare = found === undefined ? whatLiesIn(mount) : [];
  const cipher = found === undefined ? undefined : textPath(found.source);
  if (options.json) printJson({ mount, state: standing, cipher, keeper, inTheClear: bare });
  else {
    printText(`mount   ${oneLine(mount)}`);
    if (cipher !== undefined) printText(`cipher  ${oneLine(cipher)}`);
    printText(`state   ${inWords(standing, keeper)}`);
    if (keeper !== undefined)
      printText(`keeper  ${keeper.kind === 'node' ? 'the node process' : 'hauki vault mount, process'} ${keeper.pid}`);
    if (bare.length > 0)
      printText(`clear   written while nothing was mounted, in the clear: ${oneLine(bare.slice(0, 5).join(', '))}`);
  }
  return standing === 'alive' ? 0 : EXIT_AWAY;
}

/** `hauki vault unmount`. @returns the exit code */
export async function vaultUnmount(options: UnmountOptions): Promise<number> {
  const mount = await placed(options);
  const before = vaultAt(mount);
  const keeper = await keeperOf(mount);
  if (keeper?.kind === 'node')
    throw new RefusedError(
      refusal(
        'vault_in_use',
        `The node process ${keeper.pid} keeps ${mount} mounted.`,
        'Stop the node, which unmounts it; or have it mounted anew with "hauki vault remount".',
      ),
    );
  if (!options.force) refuseIfUsed(mount, await usersOf(mount));
  if (keeper === undefined) {
    if (before === undefined) throw new RefusedError(notMounted(mount));
    orThrow(options.force ? await detach(mount, before.device) : await unmount(mount));
  } else {
    process.kill(keeper.pid, 'SIGTERM');
    await until(async () => (await keeperOf(mount)) === undefined && mountAt(mount) === undefined, mount);
  }
  tell(options, { status: 'unmounted', mount }, `${mount} is unmounted`);
  return 0;
}

/** `hauki vault remount`. @returns the exit code */
export async function vaultRemount(options: UnmountOptions): Promise<number> {
  const mount = await placed(options);
  const before = vaultAt(mount);
  const keeper = await keeperOf(mount);
  if (keeper === undefined)
    throw new RefusedError(
      refusal(
        'vault_unavailable',
        `Nobody keeps ${mount} mounted, so nobody would mount it again.`,
        'Use "hauki vault unmount" and "hauki vault mount".',
      ),
    );
  if (before === undefined) throw new RefusedError(notMounted(mount));
  orThrow(options.force ? await detach(mount, before.device) : await unmount(mount));
  await until(async () => mountAt(mount) !== undefined && (await pulseOf(mount, PULSE_MS)) === 'alive', mount);
  tell(options, { status: 'mounted', mount }, `${mount} is mounted anew`);
  return 0;
}

async function placed(options: StatusOptions): Promise<string> {
  const mount = await mountOf(options);
  try {
    return placeOf(mount);
  } catch (error) {
    throw new RefusedError(
      refusal('mount_point_unusable', `${mount} cannot be looked at: ${(error as Error).message}.`),
    );
  }
}

/** @throws RefusedError `mount_point_unusable` when something else is mounted there, which is not ours to take off */
function vaultAt(mount: string): Mount | undefined {
  const found = mountAt(mount);
  if (found === undefined || found.fsType === VAULT_TYPE) return found;
  const message = `What is mounted on ${mount} is no vault (${found.fsType}).`;
  throw new RefusedError(refusal('mount_point_unusable', message, 'Look what that is; "umount" takes it off.'));
}

function refuseIfUsed(mount: string, users: readonly string[]): void {
  if (users.length === 0) return;
  const named = users.slice(0, 10).join(', ');
  throw new RefusedError(refusal('vault_in_use', `${mount} is in use by ${named}.`, undefined, { users }));
}

function notMounted(mount: string): Refusal {
  return refusal('vault_unavailable', `Nothing is mounted on ${mount}.`);
}

/** What somebody has written into the folder below the mount. Nothing can be said of one that we may not read: nor may others write. */
function whatLiesIn(mount: string): string[] {
  try {
    return readdirSync(mount);
  } catch {
    return [];
  }
}

function inWords(standing: Standing, keeper: Keeper | undefined): string {
  switch (standing) {
    case 'alive':
      return keeper === undefined ? 'mounted; nobody looks after it' : 'mounted';
    case 'dead':
      return 'dead: the process that served it is gone';
    case 'hanging':
      return 'hanging: it is mounted and does not answer';
    case 'elsewise':
      return 'something that is no vault is mounted there';
    case 'unmounted':
      return keeper === undefined ? 'not mounted' : 'not mounted at the moment';
  }
}

async function until(look: () => Promise<boolean>, mount: string): Promise<void> {
  const end = performance.now() + WAIT_MS_MAX;
  while (!(await look())) {
    if (performance.now() > end)
      throw new RefusedError(refusal('vault_unavailable', `Waited in vain for the keeper of ${mount}.`));
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function tell({ json }: StatusOptions, document: object, words: string): void {
  if (json) printJson(document);
  else printText(oneLine(words));
}
