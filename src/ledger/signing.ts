import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

import { refusal, RefusedError } from '../base/refusal.ts';
import type { Head } from '../ports/ledger.ts';
import { makeFolder, writeDurably } from './durable.ts';
import { ledgerHome } from './home.ts';

/** Who vouches for the head of a ledger. */
export interface Signer {
  readonly publicKey: KeyObject;
  sign(seq: number, hash: string): Head;
}

/**
 * The controller's ed25519 key: `<home>/controller.key` (PKCS8 PEM, mode 0600), made when there is none, with the public
 * key (SPKI PEM) beside it in `controller.pub` for whoever checks.
 *
 * @throws RefusedError `ledger_broken` when the file is there but holds no ed25519 private key
 */
export function controllerKey(home: string): Signer {
  const paths = ledgerHome(home);
  if (!existsSync(paths.privateKey)) {
    makeFolder(home);
    const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
    writeDurably(paths.privateKey, pem.toString(), 0o600);
  }
  const signer = signerOf(readPrivateKey(paths.privateKey));
  const publicPem = signer.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  // Written second, so a crash in between leaves it missing; it follows from the private key, so it can be made again.
  if (!existsSync(paths.publicKey) || readFileSync(paths.publicKey, 'utf8') !== publicPem) {
    writeDurably(paths.publicKey, publicPem, 0o644);
  }
  return signer;
}

/**
 * The key in full, for what a controller signs beside its ledger. Each thing that is signed says in its first line what it is, so that
 * none can be taken for another.
 *
 * @throws RefusedError `ledger_broken` as above
 */
export function signingKey(home: string): KeyObject {
  return readPrivateKey(ledgerHome(home).privateKey);
}

/** A signer that lives as long as the process: tests and the simulator. */
export function passingSigner(): Signer {
  return signerOf(generateKeyPairSync('ed25519').privateKey);
}

/** The public half of the controller's key, or undefined when this home has none that can be read. */
export function publicKeyOf(home: string): KeyObject | undefined {
  try {
    return createPublicKey(readFileSync(ledgerHome(home).publicKey));
  } catch {
    return undefined;
  }
}

export function headVerifies(head: Head, publicKey: KeyObject): boolean {
  return verify(null, signedText(head.seq, head.hash), publicKey, Buffer.from(head.signature, 'base64'));
}

function signerOf(privateKey: KeyObject): Signer {
  return {
    publicKey: createPublicKey(privateKey),
    sign: (seq, hash) => ({ seq, hash, signature: sign(null, signedText(seq, hash), privateKey).toString('base64') }),
  };
}

function readPrivateKey(path: string): KeyObject {
  const pem = readFileSync(path, 'utf8');
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Said below, in words that name the file.
  }
  throw new RefusedError(
    refusal(
      'ledger_broken',
      `${path} holds no ed25519 private key.`,
      'Put the key back from a backup; the ledger is signed with it.',
    ),
  );
}

function signedText(seq: number, hash: string): Buffer {
  return Buffer.from(`hauki-ledger-head\n${seq}\n${hash}`);
}
