import { X509Certificate } from 'node:crypto';
import { refusal } from '../base/refusal.ts';
import { err, ok } from '../base/result.ts';
import type { Authority } from '../ports/authority.ts';
import { writeToken } from './join-token.ts';
import type { MeshHome } from './mesh-home.ts';

/**
 * The authority of the mesh in a HAUKI_HOME.
 *
 * @param listening `host:port` the controller listens on now: what a join token names when `mesh init` named no addresses
 */
export function authorityOf(mesh: MeshHome, listening: () => readonly string[], now: () => number): Authority {
  const { certificate } = mesh.ca;
  const addresses = (): readonly string[] => (mesh.addresses.length > 0 ? mesh.addresses : listening());
  return {
    mesh: mesh.mesh,
    ca: certificate,
    addresses,
    // Loaded when somebody joins: a controller of one machine does without.
    read: async (request) => {
      const read = await (await import('./certificate.ts')).readRequest(request);
      return typeof read === 'string' ? err(refusal('body_invalid', `The certificate request ${read}.`)) : ok(read);
    },
    issue: async (request, node, expiresAt) =>
      (await import('./certificate.ts')).issueNode(mesh.ca, request, node, { now: now(), expiresAt }),
    token: ({ node, secret, expiresAt }) =>
      writeToken({
        controllers: addresses(),
        mesh: mesh.mesh,
        caFingerprint: fingerprintOf(certificate),
        secret,
        node,
        expiresAt,
      }),
  };
}

/** SHA-256 of a certificate (DER), lower-case hex. */
export function fingerprintOf(certificate: string | Buffer): string {
  return new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase();
}
