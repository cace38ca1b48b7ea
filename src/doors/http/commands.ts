import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { refusal } from '../../base/refusal.ts';
import * as contract from '../../wire/http.ts';
import * as mesh from '../../wire/mesh.ts';
import { sendRefusal } from './answers.ts';
import type { HttpOptions } from './options.ts';

/** What a node can be told to do now. */
export const commandRoutes: FastifyPluginAsyncZod<HttpOptions> = async (app, { command }) => {
  app.post(
    '/v1/nodes/:name/commands',
    {
      config: { needs: ['operate'] },
      schema: {
        summary: 'Have a node do something now, and wait for its answer.',
        description: '`ping` only answers; `thaw` ends whatever it is halted for; `poll` looks for tasks.',
        params: mesh.NodeParams,
        body: mesh.CommandBody,
        response: { 200: mesh.CommandAnswer, '4xx': contract.Denied, '5xx': contract.Denied },
      },
    },
    async ({ params, body }, reply) => {
      if (command === undefined) return sendRefusal(reply, refusal('node_lost', 'This controller has no links.'));
      const answered = await command(params.name, body.verb);
      if (!answered.ok) return sendRefusal(reply, answered.error);
      const { ok, words } = answered.value;
      return reply.send({ node: params.name, ok, ...(words === undefined ? {} : { words }) });
    },
  );
};
