import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { makeDurably } from '../trust/durable.ts';
import { readSecret } from './secret.ts';

/** Where a vault's key comes from: never an argument, never a variable of the environment. */
export type KeySource = { readonly file: string } | { readonly credential: string };

/** Read anew each time, so that a rotated key counts from the next mount on. */
export function keyOf(source: KeySource): () => Result<string, Refusal> {
  return () => {
    try {
      return ok('file' in source ? readSecret(source.file, "the vault's key") : credential(source.credential));
    } catch (error) {
      if (error instanceof RefusedError) return err(error.refusal);
      throw error;
    }
  };
}

/** What systemd hands to a service: see systemd.exec(5), LoadCredential. @throws RefusedError `usage` */
function credential(name: string): string {
  const folder = process.env['CREDENTIALS_DIRECTORY'];
  if (folder === undefined)
    throw usage(
      `There is no credential "${name}": CREDENTIALS_DIRECTORY is not set.`,
      `Have systemd hand it over: LoadCredential=${name}:/path in the unit.`,
    );
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name))
    throw usage(`"${name}" is no name of a credential.`, 'See systemd.exec(5).');
  // Closed to others by systemd, by means that the mode alone does not tell.
  return readSecret(join(folder, name), "the vault's key", { closed: true });
}

/** The key in this file; if there is no such file, a new one that is then in it. */
export function keyFrom(file: string): { readonly key: string; readonly made: boolean } {
  if (existsSync(file)) return { key: readSecret(file, "the vault's key"), made: false };
  const key = randomBytes(32).toString('base64url');
  try {
    makeDurably(file, `${key}\n`, 0o600);
  } catch (error) {
    throw usage(`The key file ${file} cannot be made: ${(error as Error).message}.`, 'Name a place of your own.');
  }
  return { key, made: true };
}

/** A key from the one who sits at the terminal, unseen. @throws RefusedError `usage` where there is none */
export async function askKey(question: string, { twice = false } = {}): Promise<string> {
  const key = await unseen(question);
  if (key === '') throw usage('The key is empty.', 'Give a key.');
  if (twice && (await unseen('Again: ')) !== key) throw usage('The two are not the same.', 'Try again.');
  return key;
}

function unseen(question: string): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY)
    throw usage('No key is given, and there is no terminal to ask at.', 'Give --key-file FILE or --credential NAME.');
  return new Promise((resolve, reject) => {
    let typed: string[] = [];
    const end = (): void => {
      stdin.off('data', take);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
    };
    const take = (chunk: Buffer): void => {
      for (const char of chunk.toString('utf8')) {
        if (char === '\r' || char === '\n') {
          end();
          return resolve(typed.join(''));
        }
        if (char === '\u0003' || char === '\u0004') {
          end();
          return reject(usage('No key was given.', 'Nothing was done.'));
        }
        if (char === '\u007f' || char === '\b') typed.pop();
        else if (char === '\u0015') typed = [];
        else typed.push(char);
      }
    };
    // First, or who types at once sees the key.
    stdin.setRawMode(true);
    stderr.write(question);
    stdin.on('data', take);
    stdin.resume();
  });
}

function usage(message: string, hint: string): RefusedError {
  return new RefusedError(refusal('usage', message, hint));
}
