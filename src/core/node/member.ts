import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { NodePolicy } from '../policy/rules.ts';

/** A node that has joined the mesh. One that was revoked stays here, so that it can be told apart from one nobody knows. */
export interface Member {
  readonly name: string;
  /** SHA-256 of its public key (the SPKI in DER), lower-case hex. Of the key, not of a certificate: those come and go. */
  readonly fingerprint: string;
  /** The same key in full, SPKI in DER as base64: for lines it signed. */
  readonly publicKey: string;
  /** The key before the last rotation, and until when (wall clock, ms) it is still taken: what runs with it may end. */
  readonly previous?: { readonly fingerprint: string; readonly publicKey: string; readonly until: number };
  /** The digest of the token it joined with: joining again with the same token and key is the same joining. */
  readonly invitation: string;
  /** Wall clock, ms, like all times here. */
  readonly joinedAt: number;
  /** End of its certificate. */
  readonly expiresAt: number;
  readonly revokedAt?: number;
  readonly policy: NodePolicy;
}

/** A join token that was given out and not used yet. */
export interface Invitation {
  readonly node: string;
  /** SHA-256 of the token's secret, lower-case hex; the secret itself is nowhere but in the token. */
  readonly digest: string;
  readonly expiresAt: number;
  readonly policy: NodePolicy;
}

/** How long the key before a rotation is still taken, ms: as long as a guarded command should need to end. */
export const PREVIOUS_KEY_MS = 24 * 3_600_000;

export function isActive({ revokedAt, expiresAt }: Member, at: number): boolean {
  return revokedAt === undefined && at < expiresAt;
}

/** Whose key this is: the member, when it may act with it at this moment. The certificate itself was checked by TLS. */
export function identify(
  nodes: ReadonlyMap<string, Member>,
  shown: { readonly name: string; readonly fingerprint: string },
  at: number,
): Result<Member, Refusal> {
  const member = nodes.get(shown.name);
  if (member === undefined) {
    return err(refusal('node_unknown', `A certificate names node ${shown.name}, which has not joined this mesh.`));
  }
  const revoked = revokedRefusal(nodes, shown.name);
  if (revoked !== undefined) return err(revoked);
  const { fingerprint, previous } = member;
  if (shown.fingerprint === fingerprint) return ok(member);
  if (shown.fingerprint === previous?.fingerprint && at < previous.until) return ok(member);
  return err(
    refusal(
      'certificate_refused',
      `The certificate shown is not the one node ${shown.name} has now: another key took its place.`,
    ),
  );
}

export function revokedRefusal(nodes: ReadonlyMap<string, Member>, name: string): Refusal | undefined {
  const at = nodes.get(name)?.revokedAt;
  if (at === undefined) return undefined;
  return refusal('node_revoked', `Node ${name} was revoked at ${new Date(at).toISOString()}.`);
}
