import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { refusal } from '../../base/refusal.ts';
import type { Certified } from '../../engine/enrolment.ts';
import * as contract from '../../wire/http.ts';
import * as mesh from '../../wire/mesh.ts';
import { presenceView } from '../../wire/presence.ts';
import { iso } from '../../wire/view.ts';
import { sendRefusal } from './answers.ts';
import type { HttpOptions } from './options.ts';

/** Who is let in: nodes that join, rotate and are revoked, and API tokens. */
export const nodeRoutes: FastifyPluginAsyncZod<HttpOptions> = async (app, { enrolment, controller }) => {
  const refusals = { '4xx': contract.Denied, '5xx': contract.Denied };

  app.get(
    '/v1/whoami',
    {
      config: { needs: ['peer'] },
      schema: { summary: 'As whom this caller is known.', response: { 200: mesh.Whoami, ...refusals } },
    },
    async ({ principal }, reply) => {
      if (principal === undefined) return reply.refuse(refusal('unauthorized', 'Nobody is known to ask.'));
      if (principal.kind === 'operator') return reply.send({ kind: principal.kind });
      const { kind, name } = principal;
      return reply.send(kind === 'node' ? { kind, name } : { kind, name, scopes: [...principal.scopes] });
    },
  );

  app.post(
    '/v1/join',
    {
      config: { needs: ['anyone'] },
      schema: {
        summary: 'Join the mesh with the secret of a join token; again with the same key gives the same again.',
        body: mesh.Join,
        response: { 200: mesh.Certified, ...refusals },
      },
    },
    async ({ body }, reply) => {
      const joined = await enrolment.join(body.node, body.secret, body.request);
      return joined.ok ? reply.send(certifiedView(joined.value)) : reply.refuse(joined.error);
    },
  );

  app.post(
    '/v1/rotate',
    {
      config: { needs: ['node'] },
      schema: {
        summary: 'A new certificate for the node that asks, for the key of its request.',
        body: mesh.Rotate,
        response: { 200: mesh.Certified, ...refusals },
      },
    },
    async ({ body, principal }, reply) => {
      if (principal?.kind !== 'node')
        return reply.refuse(refusal('forbidden', 'Only a node has a certificate to rotate.'));
      const rotated = await enrolment.rotate(principal.name, principal.fingerprint, body.request);
      return rotated.ok ? reply.send(certifiedView(rotated.value)) : reply.refuse(rotated.error);
    },
  );

  app.get(
    '/v1/nodes',
    {
      config: { needs: ['read', 'admin'] },
      schema: { summary: 'The nodes of the mesh, and who is invited.', response: { 200: mesh.NodeList, ...refusals } },
    },
    async () => ({ nodes: views() }),
  );

  app.get(
    '/v1/nodes/:name',
    {
      config: { needs: ['read', 'admin'] },
      schema: { summary: 'One node.', params: mesh.NodeParams, response: { 200: mesh.NodeView, ...refusals } },
    },
    async ({ params }, reply) => {
      const found = views().findLast(({ node }) => node === params.name);
      if (found === undefined)
        return sendRefusal(reply, refusal('node_unknown', `There is no node ${params.name} in this mesh.`));
      return reply.send(found);
    },
  );

  app.post(
    '/v1/nodes/:name/commands',
    {
      config: { needs: ['operate', 'admin'] },
      schema: {
        summary: 'Have a node do something now, over its link.',
        description: 'ping only answers; thaw ends whatever the node is halted for; poll looks for work now.',
        params: mesh.NodeParams,
        body: mesh.CommandBody,
        response: { 200: mesh.Commanded, ...refusals },
      },
    },
    async ({ params, body }, reply) => {
      const { name } = params;
      if (!views().some(({ node }) => node === name))
        return sendRefusal(reply, refusal('node_unknown', `There is no node ${name} in this mesh.`));
      const answered = await controller.mesh.command(name, body);
      if (!answered.ok) return sendRefusal(reply, answered.error);
      const { ok, words } = answered.value;
      return reply.send({ node: name, verb: body.verb, ok, ...(words === undefined ? {} : { words }) });
    },
  );

  app.get(
    '/v1/policy',
    {
      config: { needs: ['read', 'admin'] },
      schema: {
        summary: 'The rules of this controller, and of each node.',
        response: { 200: mesh.PolicyView, ...refusals },
      },
    },
    async () => mesh.policyOf(controller.policy, enrolment.nodes().members),
  );

  app.post(
    '/v1/nodes',
    {
      config: { needs: ['admin'] },
      schema: {
        summary: 'Invite a node: a join token that works once.',
        body: mesh.Invite,
        response: { 200: mesh.Invited, ...refusals },
      },
    },
    async ({ body }, reply) => {
      const { datasets, modes, ttlMsMax, rate } = body.policy ?? {};
      const policy = {
        ...(datasets === undefined ? {} : { datasets }),
        ...(modes === undefined ? {} : { modes }),
        ...(ttlMsMax === undefined ? {} : { ttlMsMax }),
        ...(rate === undefined ? {} : { rate }),
      };
      const invited = await enrolment.invite(body.node, policy, body.validMs);
      if (!invited.ok) return sendRefusal(reply, invited.error);
      const { token, expiresAt } = invited.value;
      return reply.send({ node: body.node, token, expiresAt: iso(expiresAt) });
    },
  );

  app.delete(
    '/v1/nodes/:name',
    {
      config: { needs: ['admin'] },
      schema: {
        summary: 'Revoke a node, at once and with all it has open; or withdraw its invitation.',
        params: mesh.NodeParams,
        response: { 200: mesh.Revoked, ...refusals },
      },
    },
    async ({ params }, reply) => {
      const revoked = await enrolment.revoke(params.name);
      return revoked.ok ? reply.send({ revoked: params.name }) : sendRefusal(reply, revoked.error);
    },
  );

  app.get(
    '/v1/tokens',
    {
      config: { needs: ['admin'] },
      schema: { summary: 'The API tokens there are.', response: { 200: mesh.TokenList, ...refusals } },
    },
    async () => ({ tokens: enrolment.tokens().map(mesh.tokenView) }),
  );

  app.post(
    '/v1/tokens',
    {
      config: { needs: ['admin'] },
      schema: {
        summary: 'Make an API token.',
        body: mesh.TokenAsk,
        response: { 200: mesh.TokenIssued, ...refusals },
      },
    },
    async ({ body }, reply) => {
      const made = await enrolment.issueToken(body.name, body.scopes, body.validMs);
      if (!made.ok) return sendRefusal(reply, made.error);
      return reply.send({ ...mesh.tokenView(made.value.issued), token: made.value.token });
    },
  );

  app.delete(
    '/v1/tokens/:name',
    {
      config: { needs: ['admin'] },
      schema: {
        summary: 'Revoke an API token, at once and with all its bearer has open.',
        params: mesh.NodeParams,
        response: { 200: mesh.Revoked, ...refusals },
      },
    },
    async ({ params }, reply) => {
      const revoked = await enrolment.revokeToken(params.name);
      return revoked.ok ? reply.send({ revoked: params.name }) : sendRefusal(reply, revoked.error);
    },
  );

  function views(): mesh.NodeView[] {
    const { members, invitations } = enrolment.nodes();
    const open = invitations.map(mesh.invitationView);
    const joined = members.map((member) => {
      const heard = controller.mesh.presence(member.name);
      const view = mesh.nodeView(member, enrolment.now);
      return heard === undefined ? view : { ...view, presence: presenceView(heard) };
    });
    return [...joined, ...open];
  }
};

function certifiedView({ expiresAt, ...certified }: Certified): mesh.Certified {
  return { ...certified, expiresAt: iso(expiresAt) };
}
