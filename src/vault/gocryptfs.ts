import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { explainGocryptfs, type FsckReport, readFsck, readMasterKey } from '../wire/vault/gocryptfs.ts';
import type { LayerPlan } from './layer.ts';
import { leftovers } from './leftovers.ts';
import { type Ran, run } from './run.ts';
import { detach } from './unmounting.ts';

/* gocryptfs, told what to do. Keys go to it by its standard input, one a line, and nowhere else. */

/** What the kernel calls a mounted vault, also one whose server is gone. */
export const VAULT_TYPE = 'fuse.gocryptfs';
const CONFIG = 'gocryptfs.conf';
/** A folder for as long as one check goes on: its name goes on with the process id. */
const CHECK = 'fsck-';
const FROM_STDIN = ['-masterkey=stdin'];

export interface MountingOptions {
  /** The cipher folder. */
  readonly cipher: string;
  readonly point: string;
  readonly key: () => Result<string, Refusal>;
  readonly log: string;
  /** What people see as the source of the mount, where the folder itself says nothing. */
  readonly name?: string;
}

export function gocryptfsLayer({ cipher, point, key, log, name = cipher }: MountingOptions): LayerPlan {
  return {
    name: 'gocryptfs',
    fsType: VAULT_TYPE,
    package: 'gocryptfs',
    point,
    // Others mount the same folder, in other containers and on other hosts: nothing of what it holds may be remembered.
    args: ['-fg', '-nosyslog', '-sharedstorage', '-fsname', name, '--', cipher, point],
    secret: () => {
      const read = key();
      return read.ok ? ok(`${read.value}\n`) : read;
    },
    log,
    explain: (code, said) => explainGocryptfs(code, said, name),
  };
}

/**
 * Makes a vault in an empty folder, or in one that is not there yet.
 *
 * @returns the recovery key: it opens the vault without the key
 */
export async function initVault(cipher: string, key: string): Promise<Result<{ recoveryKey: string }, Refusal>> {
  try {
    mkdirSync(cipher, { recursive: true, mode: 0o700 });
  } catch (error) {
    return err(refusal('vault_missing', `The cipher folder ${cipher} cannot be made: ${(error as Error).message}.`));
  }
  if (readdirSync(cipher).length > 0)
    return err(refusal('vault_present', `${cipher} is not empty: a vault is made in an empty folder.`));
  const made = await gocryptfs(['-init', '--', cipher], `${key}\n`);
  if (!made.ok || made.value.code !== 0) return made.ok ? err(why(made.value, cipher)) : made;
  // It shows the key to terminals only, and then among other words.
  const shown = await tool('gocryptfs-xray', ['-dumpmasterkey', '--', join(cipher, CONFIG)], `${key}\n`);
  const recoveryKey = shown.ok ? readMasterKey(shown.value.stdout) : undefined;
  if (recoveryKey !== undefined) return ok({ recoveryKey });
  // A vault whose recovery key nobody has ever seen: nothing is in it, so it is better not there.
  for (const name of readdirSync(cipher))
    if (name.startsWith('gocryptfs.')) rmSync(join(cipher, name), { force: true });
  return shown.ok
    ? err(refusal('vault_unavailable', 'gocryptfs-xray showed no recovery key. No vault was made.'))
    : shown;
}

/** Whether this key opens the vault. @returns `vault_key_wrong` when it does not */
export async function tryKey(cipher: string, key: string): Promise<Result<void, Refusal>> {
  const shown = await tool('gocryptfs-xray', ['-dumpmasterkey', '--', join(cipher, CONFIG)], `${key}\n`);
  if (!shown.ok) return shown;
  return shown.value.code === 0 ? ok(undefined) : err(why(shown.value, cipher));
}

/** What opens a vault: the key, or the recovery key. */
export type Opener = { readonly key: string } | { readonly recoveryKey: string };

/** Has another key open the vault from now on. What is encrypted stays as it is, and so does the recovery key. */
export async function changeKey(cipher: string, opener: Opener, key: string): Promise<Result<void, Refusal>> {
  const recovering = 'recoveryKey' in opener;
  // What it was writing when it was killed, or the disk was full: it would neither take that away nor write over it.
  const clear = (): void => rmSync(join(cipher, `${CONFIG}.tmp`), { force: true });
  clear();
  const changed = await gocryptfs(
    ['-passwd', ...(recovering ? FROM_STDIN : []), '--', cipher],
    `${said(opener)}\n${key}\n`,
  );
  if (!changed.ok) return changed;
  if (changed.value.code !== 0) {
    clear();
    return err(why(changed.value, cipher));
  }
  // With a recovery key gocryptfs keeps the configuration of before, which the lost key opens.
  if (recovering) rmSync(join(cipher, `${CONFIG}.bak`), { force: true });
  return tryKey(cipher, key);
}

/**
 * Whether this is the recovery key of the vault. gocryptfs takes any for it, and would make a vault of it that nothing opens; so
 * everything there is has to be readable with it.
 *
 * @param folder see checkVault
 */
export async function tryRecoveryKey(
  cipher: string,
  recoveryKey: string,
  folder: string,
): Promise<Result<void, Refusal>> {
  const entries = existsSync(cipher) ? readdirSync(cipher).filter((name) => !name.startsWith('gocryptfs.')) : [];
  if (entries.length === 0) {
    const message = `${cipher} holds nothing, so nothing can tell whether the recovery key is the right one.`;
    return err(refusal('vault_key_wrong', message, 'Make a new vault instead.'));
  }
  const report = await checkVault(cipher, { recoveryKey }, folder);
  if (!report.ok) return report;
  if (report.value.healthy) return ok(undefined);
  const { count } = report.value;
  const message = `The recovery key does not read everything in ${cipher}: ${count} entries fail. Nothing was changed.`;
  return err(
    refusal(
      'vault_key_wrong',
      message,
      'docs/vault.md says what to do when it is the right one, and the vault is damaged.',
    ),
  );
}

/**
 * Reads everything there is in a vault, and changes nothing. It mounts the vault for itself while it does.
 *
 * @param folder of ours, for what it needs meanwhile
 */
export async function checkVault(cipher: string, opener: Opener, folder: string): Promise<Result<FsckReport, Refusal>> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // What another check is about to clear away, too, is not in our way.
  for (const left of leftovers(folder, CHECK))
    await clearCheck(join(realpathSync(folder), left)).catch(() => undefined);
  // It mounts in TMPDIR, and would not take that off when it is killed: so we know where to look.
  const own = mkdtempSync(join(realpathSync(folder), `${CHECK}${process.pid}-`));
  try {
    const into = join(own, 'output');
    const ran = await gocryptfs(
      ['-fsck', ...('recoveryKey' in opener ? FROM_STDIN : []), '--', cipher],
      `${said(opener)}\n`,
      { into, env: { TMPDIR: own } },
    );
    if (!ran.ok) return ran;
    const report = readFsck(ran.value.code, ran.value.stdout);
    return report === undefined ? err(why(ran.value, cipher)) : ok(report);
  } finally {
    await clearCheck(own);
  }
}

async function clearCheck(own: string): Promise<void> {
  for (const inside of readdirSync(own)) {
    if (!inside.startsWith('gocryptfs.fsck.')) continue;
    await detach(join(own, inside));
    // Never recursively: should it be mounted still, that would be the vault's own files.
    rmdirSync(join(own, inside));
  }
  rmSync(join(own, 'output'), { force: true });
  rmdirSync(own);
}

function said(opener: Opener): string {
  return 'recoveryKey' in opener ? opener.recoveryKey : opener.key;
}

interface More {
  readonly into?: string;
  readonly env?: Readonly<Record<string, string>>;
}

function gocryptfs(args: readonly string[], input: string, more: More = {}): Promise<Result<Ran, Refusal>> {
  return tool('gocryptfs', args, input, more);
}

async function tool(
  name: string,
  args: readonly string[],
  input: string,
  more: More = {},
): Promise<Result<Ran, Refusal>> {
  const ran = await run(name, args, { input, ...more });
  if (!ran.missing) return ok(ran);
  return err(refusal('vault_unavailable', `${name} is not installed.`, 'apt-get install gocryptfs fuse3'));
}

function why({ code, stdout, stderr }: Ran, cipher: string): Refusal {
  // gocryptfs-xray has codes of its own.
  if (/Password incorrect|failed to unlock master key/i.test(`${stdout}\n${stderr}`))
    return explainGocryptfs(12, '', cipher);
  return explainGocryptfs(code, `${stdout}\n${stderr}`, cipher);
}
