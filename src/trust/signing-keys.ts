import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { ControllerKnown } from './node-home.ts';

/*
 * The keys of lines on IRC, as a node has them. A rotation replaces the files while the node runs, so they are looked at whenever a key
 * is needed, and read when they have changed.
 */

/** The node's private key: its half of node.pem. @throws RefusedError `mesh_missing` when this node has not joined, at the first look */
export function nodeKey(home: string): () => KeyObject {
  return kept(join(home, 'node.pem'), createPrivateKey, 'Join the mesh: "hauki node join TOKEN".');
}

/**
 * The controller whose lines are obeyed.
 *
 * @throws RefusedError `mesh_missing` at the first look, when this node joined before a controller told its key
 */
export function controllerKnown(home: string): () => { readonly name: string; readonly publicKey: KeyObject } {
  const hint = 'Run "hauki node rotate" once: the controller tells its key with each certificate.';
  return kept(
    join(home, 'controller.json'),
    (text) => {
      const { name, publicKey } = JSON.parse(text) as ControllerKnown;
      const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
      return { name, publicKey: key };
    },
    hint,
  );
}

/** What was read last counts until something else can be read: a file is replaced as a whole, but a person may be at work on it. */
function kept<T>(path: string, read: (text: string) => T, hint: string): () => T {
  let known: { readonly stamp: string; readonly value: T } | undefined;
  const look = (): T => {
    try {
      const { mtimeMs, ino } = statSync(path);
      const stamp = `${mtimeMs} ${ino}`;
      if (known?.stamp !== stamp) known = { stamp, value: read(readFileSync(path, 'utf8')) };
    } catch (error) {
      if (known === undefined) {
        throw new RefusedError(refusal('mesh_missing', `${path} cannot be used: ${(error as Error).message}.`, hint));
      }
    }
    return known.value;
  };
  look();
  return look;
}
