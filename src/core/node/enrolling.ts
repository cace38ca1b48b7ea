import { refusal } from '../../base/refusal.ts';
import { err, ok } from '../../base/result.ts';
import type { Command } from '../command.ts';
import type { EventBody } from '../event.ts';
import { holderGone } from '../lease/holder.ts';
import { nodeRefusal } from '../policy/policy.ts';
import type { State } from '../state.ts';
import type { Verdict } from '../verdict.ts';
import { isActive, type Member, revokedRefusal } from './member.ts';

type Of<T extends Command['type']> = Extract<Command, { type: T }>;

/** A second invitation takes the place of the first: whoever lost a token makes another, and only one of them ever works. */
export function invite(state: State, command: Of<'invite'>): Verdict {
  const { node, digest, expiresAt, policy, at } = command;
  const refused = nodeRefusal(node);
  if (refused !== undefined) return err(refused);
  const member = state.nodes.get(node);
  if (member !== undefined && isActive(member, at)) {
    return err(
      refusal(
        'name_taken',
        `Node ${node} has joined already.`,
        `"hauki node revoke ${node}" first, or choose another name.`,
      ),
    );
  }
  if ([...state.tokens.values()].some(({ name }) => name === node)) {
    return err(refusal('name_taken', `An API token is called ${node}.`));
  }
  return ok([{ type: 'node_invited', node, digest, expiresAt, policy }]);
}

/**
 * A token works once. Whoever joined with it and lost the answer comes again with the same key, and that is no second use: the key
 * never left it, so whoever else has the token has nothing from it.
 */
export function join(state: State, command: Of<'join'>): Verdict {
  const { node, digest, fingerprint, publicKey, expiresAt, at } = command;
  const member = state.nodes.get(node);
  if (member?.invitation === digest) {
    const revoked = revokedRefusal(state.nodes, node);
    if (revoked !== undefined) return err(revoked);
    if (member.fingerprint === fingerprint && isActive(member, at)) return ok([]);
    return err(
      refusal('token_used', `This join token was used already, at ${new Date(member.joinedAt).toISOString()}.`),
    );
  }
  const invitation = [...state.invitations.values()].find((one) => one.digest === digest);
  if (invitation === undefined) {
    return err(
      refusal('token_unknown', 'This mesh has no invitation for this join token: it was used, replaced or withdrawn.'),
    );
  }
  if (invitation.node !== node) {
    return err(refusal('token_unknown', `This join token invites node ${invitation.node}, not ${node}.`));
  }
  if (at >= invitation.expiresAt) {
    return err(refusal('token_expired', `This join token expired at ${new Date(invitation.expiresAt).toISOString()}.`));
  }
  const taken = holderOfKey(state, fingerprint, node);
  if (taken !== undefined) return err(keyTaken(taken));
  return ok([{ type: 'node_joined', node, digest, fingerprint, publicKey, expiresAt }]);
}

/** A new certificate, for a new key or for the one it has. Only the key it has now can bring another in its place. */
export function rotate(state: State, command: Of<'rotate'>): Verdict {
  const { node, from, fingerprint, publicKey, expiresAt } = command;
  const member = state.nodes.get(node);
  if (member === undefined) return err(unknown(node));
  const revoked = revokedRefusal(state.nodes, node);
  if (revoked !== undefined) return err(revoked);
  // The old key asks again for what it asked for before: the answer was lost.
  if (from !== member.fingerprint && fingerprint !== member.fingerprint) {
    return err(
      refusal('certificate_refused', `Node ${node} has another key by now; the one before cannot be rotated again.`),
    );
  }
  const taken = holderOfKey(state, fingerprint, node);
  if (taken !== undefined) return err(keyTaken(taken));
  return ok([{ type: 'node_rotated', node, fingerprint, publicKey, expiresAt }]);
}

/**
 * From now on the node is denied everything. What it has open is ended the way it is when a holder is lost: what waits is cancelled,
 * what is cleared is undone or kept for a person, as it was asked for. To let it go on would leave state in the hands of somebody who
 * is trusted no more; to commit it would believe them.
 */
export function revoke(state: State, command: Of<'revoke'>): Verdict {
  const { node } = command;
  const member = state.nodes.get(node);
  const invited = state.invitations.has(node);
  if (member === undefined && !invited) return err(unknown(node));
  if (member === undefined || member.revokedAt !== undefined) {
    return ok(invited ? [{ type: 'node_uninvited', node }] : []);
  }
  const reason = refusal('node_revoked', `Node ${node} was revoked while this was open.`);
  const ended: EventBody[] = [...state.mutations.values()]
    .filter((mutation) => mutation.node === node)
    .flatMap((mutation) => holderGone(mutation, reason));
  return ok([{ type: 'node_revoked', node }, ...ended]);
}

function holderOfKey(state: State, fingerprint: string, except: string): Member | undefined {
  return [...state.nodes.values()].find(
    (other) =>
      other.name !== except && (other.fingerprint === fingerprint || other.previous?.fingerprint === fingerprint),
  );
}

function keyTaken({ name }: Member): ReturnType<typeof refusal> {
  return refusal(
    'certificate_refused',
    `This key is that of node ${name}, and each node has its own.`,
    'Was the folder copied? Remove HAUKI_NODE_HOME on the copy, and join again with a token of its own.',
  );
}

function unknown(node: string): ReturnType<typeof refusal> {
  return refusal('node_unknown', `There is no node ${node} in this mesh.`);
}
