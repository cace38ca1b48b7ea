import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { refusal, type Refusal } from '../../base/refusal.ts';
import type { TaskPiece } from '../../ports/mesh.ts';
import * as contract from '../../wire/http.ts';
import { NodeParams } from '../../wire/mesh.ts';
import { TaskDenied, TaskDrop, TaskDropped, TaskList, TaskNoted, TaskParams, TaskQuery } from '../../wire/tasks.ts';
import { iso } from '../../wire/view.ts';
import { askingNode, hasScope, peerOf } from './access.ts';
import { sendRefusal } from './answers.ts';
import type { Denials } from './denials.ts';
import type { HttpOptions } from './options.ts';
import { describePrincipal, type Principal } from './principal.ts';
import { endEvents } from './stream.ts';

/** What a reader may leave unread, bytes; then it is let go. All that is kept of a task has room in it, however it is escaped. */
const UNREAD_BYTES_MAX = 512 * 1024;

/** What the nodes' tasks say, live; and the record of those that a node denied by itself. */
export const taskRoutes: FastifyPluginAsyncZod<HttpOptions & { readonly denials: Denials }> = async (app, options) => {
  const { controller, denials, enrolment, log } = options;
  const { tails } = controller.mesh;
  const refusals = { '4xx': contract.Denied, '5xx': contract.Denied };

  app.get(
    '/v1/nodes/:name/tasks',
    {
      config: { needs: ['read', 'guard'] },
      schema: { summary: 'The tasks of a node.', params: NodeParams, response: { 200: TaskList, ...refusals } },
    },
    async ({ params, principal }, reply) => {
      const refused = unlessOwn(principal, params.name);
      if (refused !== undefined) return reply.refuse(refused);
      return { tasks: tails.tasks(params.name).map((one) => ({ ...one, heardAt: iso(one.heardAt) })) };
    },
  );

  app.post(
    '/v1/nodes/:name/tasks',
    {
      config: { needs: ['operate', 'admin'] },
      schema: {
        summary: "Drop a signed task into a node's inbox, over its link.",
        description:
          'The node checks name, signature and text before it takes it, and then runs it like any other. Nothing is taken that none of its signers signed, also where it runs unsigned ones of its own inbox.',
        params: NodeParams,
        body: TaskDrop,
        response: { 200: TaskDropped, ...refusals },
      },
    },
    async ({ params: { name }, body, principal, raw }, reply) => {
      if (!enrolment.nodes().members.some((member) => member.name === name))
        return sendRefusal(reply, refusal('node_unknown', `There is no node ${name} in this mesh.`));
      const answered = await controller.mesh.command(name, { verb: 'drop', drop: body });
      if (!answered.ok) return sendRefusal(reply, answered.error);
      const { ok, words = 'It does not say why.', refusal: why = refusal('task_invalid', words) } = answered.value;
      const { task } = body;
      const by = nameOf(principal);
      if (!ok) {
        const refused = { ...why, message: `Node ${name} does not take it: ${why.message}` };
        const { code, message } = refused;
        denials.note({ peer: peerOf(raw), as: by, what: `task ${task} for node ${name}`, code, message });
        return sendRefusal(reply, refused);
      }
      log.info({ node: name, task, by, words }, 'a task was dropped over the link');
      return reply.send({ node: name, task, words });
    },
  );

  app.get(
    '/v1/nodes/:name/tasks/:task/output',
    {
      config: { needs: ['read', 'guard'] },
      sse: { kind: 'manual' },
      schema: {
        summary: 'What a task says, as server-sent events.',
        description: `\`output\` with \`{text}\`: first what is kept of it, then the rest as it comes. \`state\` with \`{state, words, mutation}\`: how it stands;
after \`done\`, \`failed\` or \`denied\` the stream ends. Bounded: the whole of it stands in the log beside the task, at the node.`,
        params: TaskParams,
        querystring: TaskQuery,
        response: {
          200: { description: 'Events.', content: { 'text/event-stream': { schema: z.string() } } },
          ...refusals,
        },
      },
    },
    async ({ params, query, principal, raw: request }, reply) => {
      const { name, task } = params;
      const refused = unlessOwn(principal, name);
      if (refused !== undefined) return reply.refuse(refused);
      const tail = tails.tail(name, task);
      if (tail === undefined)
        return sendRefusal(reply, refusal('task_unknown', `Nothing was heard of a task ${task} of node ${name}.`));
      reply.sse.sendHeaders();
      reply.raw.flushHeaders();
      const { raw } = reply;
      const say = (event: string, data: object): void => {
        if (!raw.destroyed) raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      };
      const before = tail.leftOut === 0 ? '' : `… ${tail.leftOut} characters before this are not kept here …\n`;
      if (before + tail.text !== '') say('output', { text: before + tail.text });
      const { state, words, mutation } = tail.stand;
      say('state', { state, words, mutation });
      if (state !== 'running' || query.follow === 'false') {
        endEvents(reply);
        return undefined;
      }
      await new Promise<void>((resolve) => {
        const stop = tails.follow(name, task, (piece: TaskPiece) => {
          if (piece.text !== undefined && piece.text !== '') say('output', { text: piece.text });
          if (piece.leftOut !== undefined)
            say('output', { text: `\n… ${piece.leftOut} characters are left out here …\n` });
          if (piece.state !== undefined)
            say('state', { state: piece.state, words: piece.words, mutation: piece.mutation });
          const over = piece.state !== undefined && piece.state !== 'running';
          if (over || raw.writableLength > UNREAD_BYTES_MAX) finish();
        });
        const finish = (): void => {
          stop();
          resolve();
        };
        request.once('close', finish);
        raw.once('close', finish);
      });
      endEvents(reply);
      return undefined;
    },
  );

  app.post(
    '/v1/tasks/denied',
    {
      config: { needs: ['guard'] },
      schema: {
        summary: 'Put on record that a node denied a task by itself: unsigned, say, or not understood.',
        body: TaskDenied,
        response: { 200: TaskNoted, ...refusals },
      },
    },
    async ({ body, principal, raw }, reply) => {
      const node = askingNode(principal, body.node);
      if (!node.ok) return reply.refuse(node.error);
      const { task, code, message } = body;
      denials.note({
        peer: peerOf(raw),
        as: node.value === undefined ? nameOf(principal) : `node ${node.value}`,
        what: `task ${task}`,
        code,
        message,
      });
      return reply.send({ noted: true });
    },
  );
};

function nameOf(principal: Principal | undefined): string {
  return principal === undefined ? 'nobody' : describePrincipal(principal);
}

/** Whoever may not read everything sees its own. */
function unlessOwn(principal: Principal | undefined, node: string): Refusal | undefined {
  if (hasScope(principal, 'read')) return undefined;
  const own = askingNode(principal, node);
  return own.ok ? undefined : own.error;
}
