import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from './durable.ts';
import { newKey } from './key.ts';

/*
 * What a node keeps, in HAUKI_NODE_HOME. Its key is made here, and leaves never.
 *
 *   next.key    the key a certificate is being asked for: asking again is asking for the same
 *   ca.pem      the mesh's CA, as the join token's fingerprint proved it
 *   node.pem    certificate and key in one file, so that nobody ever reads one with another's other half
 *   controller.json  name and public key of the controller: what its lines on IRC are checked by
 *   node.yaml   where it is, this machine has joined
 */

/** What stands in a node's `node.yaml` from the beginning. It is JSON, which is YAML too; people may write it either way. */
export interface NodeDescription {
  readonly node: string;
  readonly mesh: string;
  /** `host:port`, tried in this order. */
  readonly controllers: readonly string[];
}

export function hasJoined(home: string): boolean {
  return existsSync(join(home, 'node.yaml'));
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

/** What the controller gave: see Certified in src/wire/mesh.ts. */
interface Given {
  readonly certificate: string;
  readonly controller: ControllerKnown;
}

/** The controller, as it is known where no TLS vouches for it. */
export interface ControllerKnown {
  readonly name: string;
  /** SPKI in DER as base64. */
  readonly publicKey: string;
}

export function keepJoined(home: string, described: NodeDescription, given: Given, ca: string): void {
  writeDurably(join(home, 'ca.pem'), ca, 0o644);
  keepGiven(home, given);
  writeDurably(join(home, 'node.yaml'), `${JSON.stringify(described, null, 2)}\n`, 0o644);
  rmSync(join(home, 'next.key'), { force: true });
}

export function keepRotated(home: string, given: Given): void {
  keepGiven(home, given);
  rmSync(join(home, 'next.key'), { force: true });
}

function keepGiven(home: string, { certificate, controller }: Given): void {
  writeDurably(join(home, 'controller.json'), `${JSON.stringify(controller, null, 2)}\n`, 0o644);
  writeDurably(join(home, 'node.pem'), `${certificate.trimEnd()}\n${nextKey(home)}`, 0o600);
}

/** When the node's certificate begins and ends: wall clock, ms. */
export function validityOf(home: string): { readonly from: number; readonly until: number } {
  const certificate = new X509Certificate(readFileSync(join(home, 'node.pem')));
  return { from: Date.parse(certificate.validFrom), until: Date.parse(certificate.validTo) };
}
