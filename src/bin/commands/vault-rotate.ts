import { existsSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { refusal, RefusedError } from '../../base/refusal.ts';
import { syncFolder } from '../../trust/durable.ts';
import { changeKey, type Opener, tryKey, tryRecoveryKey } from '../../vault/gocryptfs.ts';
import { nameOf, withCipher } from '../../vault/cipher.ts';
import { orThrow } from '../../vault/vault.ts';
import { oneLine, printJson, printText } from '../output.ts';
import { readSecret } from '../secret.ts';
import { askKey, keyFrom, keyOf, type KeySource } from '../vault-key.ts';
import { type CipherOptions, cipherOf, keySourceOf, vaultHome } from '../vault-settings.ts';
import { absolute } from '../home.ts';

export interface RotateOptions extends CipherOptions {
  readonly newKeyFile?: string;
  readonly recovery?: boolean;
  readonly recoveryKeyFile?: string;
  readonly json?: boolean;
}

/**
 * `hauki vault rotate`. A new key for a key file is on the disk, in a file beside it, before the vault knows it, and takes the file's place
 * when it does: killed at any point, one of the two files holds the key that opens it, and the same call ends what was begun.
 *
 * @returns the exit code
 */
export async function vaultRotate(options: RotateOptions): Promise<number> {
  const cipher = await cipherOf(options);
  const source = await keySourceOf(options);
  const target = targetOf(options, source);
  await withCipher(cipher, vaultHome(), async (folder) => {
    const finished =
      target?.replaces !== undefined && existsSync(target.file) && (await isOpenedBy(folder, target.file));
    if (!finished) {
      const opener = await openerOf(options, source);
      // Nothing is made for a vault that is not opened.
      orThrow(
        'key' in opener
          ? await tryKey(folder, opener.key)
          : await tryRecoveryKey(folder, opener.recoveryKey, join(vaultHome(), 'fsck')),
      );
      const key = target === undefined ? await askKey('New key: ', { twice: true }) : keyFrom(target.file).key;
      orThrow(await changeKey(folder, opener, key));
    }
    if (target?.replaces !== undefined) {
      renameSync(target.file, target.replaces);
      syncFolder(dirname(target.replaces));
    }
    return { ok: true, value: undefined };
  }).then(orThrow);
  const file = target?.replaces ?? target?.file;
  const where = file === undefined ? '' : ` in ${oneLine(file)}`;
  if (options.json) printJson({ status: 'rotated', cipher: nameOf(cipher), ...(file && { keyFile: file }) });
  else {
    printText(`The new key${where} opens ${oneLine(nameOf(cipher))}; the one before does not any more.`);
    printText('The recovery key is the same as before. What is mounted stays mounted.');
  }
  return 0;
}

/** Where the new key is to be. Undefined: in somebody's head. */
function targetOf(
  { newKeyFile }: RotateOptions,
  source: KeySource | undefined,
): { readonly file: string; readonly replaces?: string } | undefined {
  if (newKeyFile !== undefined) return { file: absolute(newKeyFile) };
  if (source === undefined) return undefined;
  if ('file' in source) return { file: `${source.file}.new`, replaces: source.file };
  throw new RefusedError(
    refusal('usage', 'A credential of systemd cannot be replaced from here.', 'Name a file with --new-key-file.'),
  );
}

/** An earlier rotation was interrupted just before its end. */
async function isOpenedBy(folder: string, file: string): Promise<boolean> {
  const tried = await tryKey(folder, readSecret(file, "the vault's new key"));
  return tried.ok;
}

async function openerOf(options: RotateOptions, source: KeySource | undefined): Promise<Opener> {
  const { recovery, recoveryKeyFile } = options;
  if (recoveryKeyFile !== undefined || recovery) {
    const said =
      recoveryKeyFile === undefined
        ? await askKey('Recovery key: ')
        : readSecret(absolute(recoveryKeyFile), 'the recovery key');
    const recoveryKey = said.replaceAll(/[\s-]/g, '').toLowerCase();
    if (/^[0-9a-f]{64}$/.test(recoveryKey)) return { recoveryKey };
    throw new RefusedError(
      refusal(
        'vault_key_wrong',
        'That is no recovery key.',
        'It is 64 digits and letters from a to f, with or without "-".',
      ),
    );
  }
  return { key: source === undefined ? await askKey('Key of the vault: ') : orThrow(keyOf(source)()) };
}
