import * as z from 'zod';
import type { Invitation, Member } from '../core/node/member.ts';
import type { Policy } from '../core/policy/policy.ts';
import type { NodePolicy } from '../core/policy/rules.ts';
import { type ApiToken, SCOPES } from '../core/token/token.ts';
import { datasetName } from './dataset-name.ts';
import { PresenceView } from './presence.ts';
import { iso } from './view.ts';

/** The HTTP contract of who may: nodes, invitations, API tokens. */

const name = z.string().max(300);
const time = z.iso.datetime();
const durationMs = z.int().min(0);
const fingerprint = z.string().meta({ description: 'SHA-256 of the public key (SPKI, DER), lower-case hex.' });
/** A PKCS #10 request in PEM is half a kilobyte for a P-256 key. */
const pem = z.string().max(8_192);

const policy = z
  .strictObject({
    datasets: z.array(datasetName).max(256).optional(),
    modes: z.array(z.enum(['standard', 'critical'])).optional(),
    ttlMsMax: durationMs.optional(),
    rate: z.int().min(0).optional().meta({ description: 'Mutations it may ask for in a minute.' }),
  })
  .meta({ id: 'NodePolicy', description: 'What is not there is not restricted.' });

export const Invite = z
  .strictObject({ node: name, policy: policy.optional(), validMs: durationMs.optional() })
  .meta({ id: 'Invite' });
export const Invited = z
  .object({ node: z.string(), token: z.string(), expiresAt: time })
  .meta({ id: 'Invited', description: 'The token is shown here and never again.' });

export const Join = z.strictObject({ node: name, secret: z.string().max(256), request: pem }).meta({ id: 'Join' });
export const Rotate = z.strictObject({ request: pem }).meta({ id: 'Rotate' });
/** By what a node knows its controller where no TLS does: on IRC. */
const controllerKnown = z.object({
  name: z.string(),
  publicKey: z
    .string()
    .meta({ description: 'Ed25519, SPKI in DER as base64: what lines of the controller are signed with.' }),
});
export const Certified = z
  .object({
    node: z.string(),
    mesh: z.string(),
    certificate: z.string(),
    ca: z.string(),
    controller: controllerKnown,
    expiresAt: time,
  })
  .meta({ id: 'Certified' });

export const NodeParams = z.object({ name });
export const NodeView = z
  .object({
    node: z.string(),
    state: z.enum(['invited', 'joined', 'expired', 'revoked']),
    fingerprint: fingerprint.optional(),
    publicKey: z.string().optional(),
    joinedAt: time.optional(),
    expiresAt: time.meta({ description: 'Of its certificate; of an invitation: of the token.' }),
    revokedAt: time.optional(),
    policy,
    presence: PresenceView.optional().meta({ description: 'Of one that was heard since this controller started.' }),
  })
  .meta({ id: 'Node' });
export const NodeList = z.object({ nodes: z.array(NodeView) }).meta({ id: 'NodeList' });

export const CommandBody = z.strictObject({ verb: z.enum(['ping', 'thaw', 'poll']) }).meta({ id: 'NodeCommand' });
export const Commanded = z
  .object({
    node: z.string(),
    verb: z.string(),
    ok: z.boolean().meta({ description: 'false: the node would not.' }),
    words: z.string().optional(),
  })
  .meta({ id: 'NodeCommanded' });

export const PolicyView = z
  .object({
    ttlMsMin: durationMs,
    ttlMsMax: durationMs,
    waitMsMax: durationMs,
    graceMs: durationMs,
    reattachMs: durationMs,
    openMax: z.int(),
    datasetsMax: z.int(),
    criticalDatasets: z.array(z.string()).meta({ description: 'Frozen by a critical mutation that names none.' }),
    nodes: z.array(
      z.object({
        node: z.string(),
        configured: policy.optional().meta({ description: 'In config.yaml.' }),
        invited: policy.optional().meta({ description: 'With its invitation. Of the two, the stricter counts.' }),
      }),
    ),
  })
  .meta({ id: 'Policy' });

export const Revoked = z.object({ revoked: z.string() }).meta({ id: 'RevokedName' });

const scope = z.enum(SCOPES);
export const TokenAsk = z
  .strictObject({ name, scopes: z.array(scope).min(1), validMs: durationMs.optional() })
  .meta({ id: 'TokenAsk' });
export const TokenView = z
  .object({ name: z.string(), scopes: z.array(scope), issuedAt: time, expiresAt: time.optional() })
  .meta({ id: 'Token' });
export const TokenIssued = z
  .object({ ...TokenView.shape, token: z.string() })
  .meta({ id: 'TokenIssued', description: 'The token is shown here and never again.' });
export const TokenList = z.object({ tokens: z.array(TokenView) }).meta({ id: 'TokenList' });

export const Whoami = z
  .object({
    kind: z.enum(['operator', 'node', 'token']),
    name: z.string().optional(),
    scopes: z.array(scope).optional(),
  })
  .meta({ id: 'Whoami' });

export type PolicyView = z.infer<typeof PolicyView>;
export type Commanded = z.infer<typeof Commanded>;
export type Invite = z.infer<typeof Invite>;
export type Invited = z.infer<typeof Invited>;
export type Certified = z.infer<typeof Certified>;
export type NodeView = z.infer<typeof NodeView>;
export type NodeList = z.infer<typeof NodeList>;
export type TokenAsk = z.infer<typeof TokenAsk>;
export type TokenView = z.infer<typeof TokenView>;
export type TokenIssued = z.infer<typeof TokenIssued>;
export type TokenList = z.infer<typeof TokenList>;
export type Whoami = z.infer<typeof Whoami>;

export function policyOf(rules: Policy, members: readonly Member[]): PolicyView {
  const { ttlMsMin, ttlMsMax, waitMsMax, graceMs, reattachMs, openMax, datasetsMax, criticalDatasets } = rules;
  const names = new Set([...Object.keys(rules.nodes), ...members.map((member) => member.name)]);
  return {
    ttlMsMin,
    ttlMsMax,
    waitMsMax,
    graceMs,
    reattachMs,
    openMax,
    datasetsMax,
    criticalDatasets: [...criticalDatasets],
    nodes: [...names].toSorted().map((node) => {
      const configured = rules.nodes[node];
      const invited = members.find((member) => member.name === node)?.policy;
      return {
        node,
        ...(configured === undefined ? {} : { configured: policyView(configured) }),
        ...(invited === undefined ? {} : { invited: policyView(invited) }),
      };
    }),
  };
}

/** @param now wall clock, ms: whether a certificate has run out */
export function nodeView(member: Member, now: number): NodeView {
  const { name: node, fingerprint: key, publicKey, joinedAt, expiresAt, revokedAt } = member;
  return {
    node,
    state: revokedAt !== undefined ? 'revoked' : now < expiresAt ? 'joined' : 'expired',
    fingerprint: key,
    publicKey,
    joinedAt: iso(joinedAt),
    expiresAt: iso(expiresAt),
    ...(revokedAt === undefined ? {} : { revokedAt: iso(revokedAt) }),
    policy: policyView(member.policy),
  };
}

export function invitationView({ node, expiresAt, policy: allowed }: Invitation): NodeView {
  return { node, state: 'invited', expiresAt: iso(expiresAt), policy: policyView(allowed) };
}

function policyView({ datasets, modes, ...rest }: NodePolicy): NodeView['policy'] {
  return {
    ...rest,
    ...(datasets === undefined ? {} : { datasets: [...datasets] }),
    ...(modes === undefined ? {} : { modes: [...modes] }),
  };
}

export function tokenView({ name: called, scopes, issuedAt, expiresAt }: ApiToken): TokenView {
  return {
    name: called,
    scopes: [...scopes],
    issuedAt: iso(issuedAt),
    ...(expiresAt === undefined ? {} : { expiresAt: iso(expiresAt) }),
  };
}
