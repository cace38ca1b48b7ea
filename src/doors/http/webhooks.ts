import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { stateOf, type Webhook, type Webhooks } from '../../ports/webhooks.ts';
import * as contract from '../../wire/events.ts';
import { Denied } from '../../wire/http.ts';
import { iso } from '../../wire/view.ts';
import { sendRefusal } from './answers.ts';
import { selectionOf } from './stream.ts';

const DEAD_DEFAULT = 100;

/** Who is told by HTTP what happens: adding and removing them, and what could not be delivered. */
export const webhookRoutes: FastifyPluginAsyncZod<{ readonly webhooks: Webhooks }> = async (app, { webhooks }) => {
  const refusals = { '4xx': Denied, '5xx': Denied };

  app.post(
    '/v1/webhooks',
    {
      config: { needs: ['admin'] },
      schema: {
        summary: 'Have events delivered to an address.',
        description:
          'Each is sent as a CloudEvent (structured JSON) with the headers of Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`. At least once, in order. The secret is answered here and never again.',
        body: contract.WebhookAsk,
        response: { 201: contract.WebhookAdded, ...refusals },
      },
    },
    async ({ body }, reply) => {
      const { url, secret, after, ...selection } = body;
      const added = await webhooks.add({
        url,
        selection: selectionOf(selection),
        ...(secret === undefined ? {} : { secret }),
        ...(after === undefined ? {} : { after }),
      });
      if (!added.ok) return sendRefusal(reply, added.error);
      const shown = secret === undefined ? { secret: added.value.secret } : {};
      return reply.code(201).send({ ...webhookView(added.value.webhook), ...shown });
    },
  );

  app.get(
    '/v1/webhooks',
    {
      config: { needs: ['read', 'admin'] },
      schema: {
        summary: 'Who is told by HTTP, how far each has got, and what is wrong with it.',
        response: { 200: contract.WebhookList, ...refusals },
      },
    },
    async (_request, reply) => {
      const all = webhooks.list();
      return all.ok ? reply.send({ webhooks: all.value.map(webhookView) }) : sendRefusal(reply, all.error);
    },
  );

  app.get(
    '/v1/webhooks/:id',
    {
      config: { needs: ['read', 'admin'] },
      schema: {
        summary: 'One webhook.',
        params: contract.WebhookParams,
        response: { 200: contract.WebhookView, ...refusals },
      },
    },
    async ({ params }, reply) => {
      const found = webhooks.find(params.id);
      return found.ok ? reply.send(webhookView(found.value)) : sendRefusal(reply, found.error);
    },
  );

  app.delete(
    '/v1/webhooks/:id',
    {
      config: { needs: ['admin'] },
      schema: {
        summary: 'Deliver nothing more to it, and forget it with its dead letters.',
        params: contract.WebhookParams,
        response: { 200: contract.WebhookView, ...refusals },
      },
    },
    async ({ params }, reply) => {
      const removed = await webhooks.remove(params.id);
      return removed.ok ? reply.send(webhookView(removed.value)) : sendRefusal(reply, removed.error);
    },
  );

  app.get(
    '/v1/webhooks/:id/dead',
    {
      config: { needs: ['read', 'admin'] },
      schema: {
        summary: 'Events that could not be delivered and were given up; oldest first.',
        params: contract.WebhookParams,
        querystring: contract.DeadQuery,
        response: { 200: contract.DeadList, ...refusals },
      },
    },
    async ({ params, query }, reply) => {
      const dead = webhooks.dead(params.id, query.after ?? 0, query.limit ?? DEAD_DEFAULT);
      if (!dead.ok) return sendRefusal(reply, dead.error);
      return reply.send({ dead: dead.value.map((letter) => ({ ...letter, at: iso(letter.at) })) });
    },
  );

  app.post(
    '/v1/webhooks/:id/retry',
    {
      config: { needs: ['admin'] },
      schema: {
        summary: 'Try dead letters once more; a webhook that was disabled begins again.',
        params: contract.WebhookParams,
        body: contract.RetryBody,
        response: { 200: contract.RetryView, ...refusals },
      },
    },
    async ({ params, body }, reply) => {
      const retried = await webhooks.retry(params.id, body.seq);
      return retried.ok ? reply.send(retried.value) : sendRefusal(reply, retried.error);
    },
  );
};

function webhookView(webhook: Webhook): contract.WebhookView {
  const { id, url, selection, createdAt, cursor, deliveredAt, failing, disabled, dead } = webhook;
  const { types, ...rest } = selection;
  return {
    webhook: id,
    url,
    state: stateOf(webhook),
    ...(types === undefined ? {} : { type: types.join(',') }),
    ...rest,
    createdAt: iso(createdAt),
    cursor,
    dead,
    ...(deliveredAt === undefined ? {} : { deliveredAt: iso(deliveredAt) }),
    ...(failing === undefined ? {} : { failing: { ...failing, since: iso(failing.since) } }),
    ...(disabled === undefined ? {} : { disabled }),
  };
}
