import { isAbsolute } from 'node:path';
import * as z from 'zod';

import type { Cipher } from '../vault/cipher.ts';
import { isFrom } from '../wire/vault/sshfs.ts';
import type { KeySource } from './vault-key.ts';

/** What may stand under `vault:` in a node's node.yaml. */

const path = z.string().refine(isAbsolute, 'is no absolute path');
const from = z.string().refine(isFrom, 'is no folder on a host: write user@host:/path');

const sshfs = z.union(
  [
    from.transform((text) => ({ from: text })),
    z.strictObject({
      from,
      port: z.int().min(1).max(65_535).optional(),
      knownHosts: path.optional(),
      identity: path.optional(),
    }),
  ],
  { error: 'is no folder on a host: write user@host:/path, or { from: user@host:/path, port, knownHosts, identity }' },
);

export const vaultSchema = z
  .strictObject({
    cipher: path.optional(),
    sshfs: sshfs.optional(),
    mount: path,
    key: z.union([z.strictObject({ file: path }), z.strictObject({ credential: z.string().min(1) })], {
      error: 'says where the key is: { file: /path } or { credential: NAME }',
    }),
  })
  .refine(({ cipher, sshfs: there }) => (cipher === undefined) !== (there === undefined), {
    message: 'names either cipher, a folder of this machine, or sshfs, a folder of another host',
  });

export interface VaultConfig {
  readonly cipher: Cipher;
  readonly mount: string;
  readonly key: KeySource;
}

export function vaultConfig(said: z.infer<typeof vaultSchema>): VaultConfig {
  const { cipher, sshfs: source, mount, key } = said;
  if (source === undefined) return { mount, key, cipher: { folder: cipher ?? '' } };
  const { from: place, ...more } = source;
  const given = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
  return { mount, key, cipher: { sshfs: { from: place, ...given } } };
}
