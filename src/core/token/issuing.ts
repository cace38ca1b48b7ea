import { refusal } from '../../base/refusal.ts';
import { err, ok } from '../../base/result.ts';
import type { Command } from '../command.ts';
import type { EventBody } from '../event.ts';
import { holderGone } from '../lease/holder.ts';
import { nodeRefusal } from '../policy/policy.ts';
import type { State } from '../state.ts';
import type { Verdict } from '../verdict.ts';
import type { ApiToken } from './token.ts';

export function issueToken(state: State, command: Extract<Command, { type: 'issue_token' }>): Verdict {
  const { name, digest, scopes, expiresAt } = command;
  const refused = nodeRefusal(name);
  if (refused !== undefined) return err(refused);
  if (tokenNamed(state, name) !== undefined) {
    return err(
      refusal(
        'name_taken',
        `There is a token ${name} already.`,
        `"hauki token revoke ${name}" first, or choose another name.`,
      ),
    );
  }
  if (state.nodes.has(name) || state.invitations.has(name)) {
    return err(refusal('name_taken', `${name} is the name of a node.`));
  }
  return ok([{ type: 'token_issued', name, digest, scopes, ...(expiresAt === undefined ? {} : { expiresAt }) }]);
}

/** What its bearer has open is ended as for a node that is revoked. */
export function revokeToken(state: State, { name }: Extract<Command, { type: 'revoke_token' }>): Verdict {
  const token = tokenNamed(state, name);
  if (token === undefined) return err(refusal('token_unknown', `There is no API token ${name}.`));
  const reason = refusal('token_revoked', `API token ${name} was revoked while this was open.`);
  const ended: EventBody[] = [...state.mutations.values()]
    .filter((mutation) => mutation.node === name)
    .flatMap((mutation) => holderGone(mutation, reason));
  return ok([{ type: 'token_revoked', name, digest: token.digest }, ...ended]);
}

function tokenNamed(state: State, name: string): ApiToken | undefined {
  return [...state.tokens.values()].find((token) => token.name === name);
}
