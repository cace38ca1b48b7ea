import { join } from 'node:path';

import { refusal, RefusedError } from '../base/refusal.ts';
import type { Cipher } from '../vault/cipher.ts';
import { isFrom } from '../wire/vault/sshfs.ts';
import { absolute, nodeHomeFrom } from './home.ts';
import { type NodeConfig, readNodeConfig } from './node-config.ts';
import { nodeHomeAt } from './node-home.ts';
import type { KeySource } from './vault-key.ts';

/** Which vault a command means: what is said on the command line, and for the rest what stands in node.yaml. */

export interface CipherOptions {
  readonly cipher?: string;
  readonly sshfs?: string;
  readonly port?: string;
  readonly knownHosts?: string;
  readonly identity?: string;
  readonly keyFile?: string;
  readonly credential?: string;
}

/** Logs, and where sshfs is mounted. */
export function vaultHome(): string {
  return join(nodeHomeFrom(process.env), 'vault');
}

/** @throws RefusedError `usage` when neither says it */
export async function cipherOf(options: CipherOptions): Promise<Cipher> {
  const { cipher, sshfs, port, knownHosts, identity } = options;
  if (cipher !== undefined && sshfs !== undefined)
    throw usage('--cipher and --sshfs are two places.', 'Say where the ciphertext is: here or there.');
  if (cipher !== undefined) return { folder: absolute(cipher) };
  if (sshfs === undefined) {
    const configured = (await fromFile()).vault?.cipher;
    if (configured !== undefined) return configured;
    throw usage('No cipher folder is named.', 'Name it with --cipher DIR, or under "vault:" in node.yaml.');
  }
  if (!isFrom(sshfs)) throw usage(`"${sshfs}" is no folder on a host.`, 'Write user@host:/path.');
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65_536))
    throw usage(`"${port}" is no port.`, 'Give a number from 1 to 65535.');
  return {
    sshfs: {
      from: sshfs,
      ...(port === undefined ? {} : { port: Number(port) }),
      ...(knownHosts === undefined ? {} : { knownHosts: absolute(knownHosts) }),
      ...(identity === undefined ? {} : { identity: absolute(identity) }),
    },
  };
}

/** @returns undefined: it has to be asked for */
export async function keySourceOf({ keyFile, credential }: CipherOptions): Promise<KeySource | undefined> {
  if (keyFile !== undefined && credential !== undefined)
    throw usage('--key-file and --credential are two keys.', 'Say where the key is: one of them.');
  if (keyFile !== undefined) return { file: absolute(keyFile) };
  if (credential !== undefined) return { credential };
  return (await fromFile()).vault?.key;
}

/** @throws RefusedError `usage` when nobody says it */
export async function mountOf({ mount }: { mount?: string }): Promise<string> {
  const said = mount === undefined ? (await fromFile()).vault?.mount : absolute(mount);
  if (said !== undefined && said !== '') return said;
  throw usage('No mount point is named.', 'Name it with --mount DIR, or under "vault:" in node.yaml.');
}

/** The node whose folders are to be in it, if node.yaml names one. */
export async function nodeOf(): Promise<readonly string[]> {
  const { node } = await fromFile();
  return node === undefined ? [] : [node];
}

function fromFile(): Promise<NodeConfig> {
  return readNodeConfig(nodeHomeAt(nodeHomeFrom(process.env)).config);
}

function usage(message: string, hint: string): RefusedError {
  return new RefusedError(refusal('usage', message, hint));
}
