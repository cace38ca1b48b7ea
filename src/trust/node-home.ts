import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { Identity as Certified } from './certificate.ts';
import { writeDurably } from './durable.ts';
import { newKey } from './key.ts';

/*
 * What a node keeps, in HAUKI_NODE_HOME. Its key is made here, and leaves never.
 *
 *   next.key    the key a certificate is being asked for: asking again is asking for the same
 *   ca.pem      the mesh's CA, as the join token's fingerprint proved it
 *   node.yaml   name, mesh, controllers; the rest of it is the operator's, and stays
 *   controller.json  name and public key of the controller: what its lines on IRC are checked by
 *   node.pem    certificate and key in one file, so that nobody ever reads one with another's other half.
 *               Where it is, this machine has joined.
 */

/** What stands in a node's `node.yaml` from the beginning. It is JSON, which is YAML too; people may write it either way. */
export interface NodeDescription {
  readonly node: string;
  readonly mesh: string;
  /** `host:port`, tried in this order. */
  readonly controllers: readonly string[];
}

export function hasJoined(home: string): boolean {
  return existsSync(join(home, 'node.pem'));
}

/** The key that a certificate is asked for now; made when there is none. PKCS #8 in PEM. */
export function nextKey(home: string): string {
  const path = join(home, 'next.key');
  if (existsSync(path)) return readFileSync(path, 'utf8');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const key = newKey();
  writeDurably(path, key, 0o600);
  return key;
}

export async function keepJoined(
  home: string,
  described: NodeDescription,
  identity: Identity,
  ca: string,
): Promise<void> {
  writeDurably(join(home, 'ca.pem'), ca, 0o644);
  writeDurably(join(home, 'node.yaml'), await describedAgain(join(home, 'node.yaml'), described), 0o644);
  keepIdentity(home, identity);
}

/** The text of node.yaml with what joining says put in, and whatever else stands there left as it is, comments too. */
async function describedAgain(path: string, described: NodeDescription): Promise<string> {
  if (!existsSync(path)) return `${JSON.stringify(described, null, 2)}\n`;
  const { parseDocument } = await import('yaml');
  const document = parseDocument(readFileSync(path, 'utf8'));
  if (document.errors.length > 0 || (document.contents !== null && !isMapping(document.toJS()))) {
    throw new RefusedError(
      refusal('usage', `${path} cannot be used: it is no YAML of keys and values.`, 'Mend it, then join again.'),
    );
  }
  for (const [key, value] of Object.entries(described)) document.set(key, value);
  return document.toString();
}

function isMapping(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A certificate with the very key it was asked for: two may be asking at the same time. */
export function keepIdentity(home: string, { certificate, key, controller }: Identity): void {
  writeDurably(join(home, 'controller.json'), `${JSON.stringify(controller, null, 2)}\n`, 0o644);
  writeDurably(join(home, 'node.pem'), `${certificate.trimEnd()}\n${key}`, 0o600);
  rmSync(join(home, 'next.key'), { force: true });
}

/** What a node is by: its certificate and key, and whom it believes. */
export interface Identity extends Certified {
  readonly controller: ControllerKnown;
}

/** The controller, as it is known where no TLS vouches for it. */
export interface ControllerKnown {
  readonly name: string;
  /** SPKI in DER as base64. */
  readonly publicKey: string;
}

/** When the node's certificate begins and ends: wall clock, ms. */
export function validityOf(home: string): { readonly from: number; readonly until: number } {
  const certificate = new X509Certificate(readFileSync(join(home, 'node.pem')));
  return { from: Date.parse(certificate.validFrom), until: Date.parse(certificate.validTo) };
}
