import type { Event } from '../event.ts';
import { type Invitation, type Member, PREVIOUS_KEY_MS } from './member.ts';

export type NodeEvent = Extract<
  Event,
  { type: 'node_invited' | 'node_uninvited' | 'node_joined' | 'node_rotated' | 'node_revoked' }
>;

/** Invitations that ran out are forgotten after so long: until then whoever uses one is told that it expired. */
const EXPIRED_MS = 7 * 24 * 3_600_000;

/** Folds what happened to a node into the register. Changes both maps. */
export function register(nodes: Map<string, Member>, invitations: Map<string, Invitation>, event: NodeEvent): void {
  const { node, at } = event;
  switch (event.type) {
    case 'node_invited': {
      for (const [name, old] of invitations) if (at >= old.expiresAt + EXPIRED_MS) invitations.delete(name);
      const { digest, expiresAt, policy } = event;
      invitations.set(node, { node, digest, expiresAt, policy });
      return;
    }
    case 'node_uninvited':
      invitations.delete(node);
      return;
    case 'node_joined': {
      const policy = invitations.get(node)?.policy ?? {};
      const { digest, fingerprint, publicKey, expiresAt } = event;
      invitations.delete(node);
      nodes.set(node, { name: node, fingerprint, publicKey, invitation: digest, joinedAt: at, expiresAt, policy });
      return;
    }
    case 'node_rotated': {
      const member = nodes.get(node);
      if (member !== undefined) nodes.set(node, rotated(member, event));
      return;
    }
    case 'node_revoked': {
      const member = nodes.get(node);
      invitations.delete(node);
      if (member !== undefined) nodes.set(node, { ...member, revokedAt: at });
    }
  }
}

function rotated(member: Member, event: Extract<NodeEvent, { type: 'node_rotated' }>): Member {
  const { fingerprint, publicKey, expiresAt } = event;
  if (fingerprint === member.fingerprint) return { ...member, expiresAt };
  const until = Math.min(member.expiresAt, event.at + PREVIOUS_KEY_MS);
  const previous = { fingerprint: member.fingerprint, publicKey: member.publicKey, until };
  return { ...member, fingerprint, publicKey, expiresAt, previous };
}
