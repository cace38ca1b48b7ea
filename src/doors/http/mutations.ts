import { PassThrough } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { ok, type Result } from '../../base/result.ts';
import { isFinal, type Mutation } from '../../core/mutation/mutation.ts';
import type { Ask } from '../../engine/ask.ts';
import { type Controller, reasonOf } from '../../engine/controller.ts';
import * as contract from '../../wire/http.ts';
import { clearedView, deniedView, mutationView, recordView } from '../../wire/view.ts';
import { askingNode, hasScope } from './access.ts';
import { sendRefusal } from './answers.ts';
import { askOf } from './asked.ts';
import type { RouteOptions } from './options.ts';
import { Patience } from './patience.ts';
import { nameOf } from './principal.ts';

const LIST_DEFAULT = 50;

/** Asking for clearance, and everything about one mutation. */
export const mutationRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { controller, closing }) => {
  const holders = new Holders(controller, closing);
  const patience = new Patience();
  const refusals = { '4xx': contract.Denied, '5xx': contract.Denied };

  app.post(
    '/v1/mutations',
    {
      config: { needs: ['guard'] },
      schema: {
        summary: 'Ask for clearance; answers when it is decided.',
        description: `With an Idempotency-Key header the same request can be sent again after a lost answer. With \`attach\` the answer is a stream
of JSON lines, whatever the decision: first the clearance or the refusal, later \`{"status":"revoked",…}\` should it be taken back.`,
        headers: contract.AskHeaders,
        body: contract.MutationAsk,
        response: {
          200: {
            description: 'Cleared; with `attach`, the decision and what comes after it.',
            content: {
              'application/json': { schema: contract.Cleared },
              'application/x-ndjson': { schema: z.string() },
            },
          },
          ...refusals,
        },
      },
    },
    async (request, reply) => {
      const node = askingNode(request.principal, request.body.node);
      if (!node.ok) return reply.refuse(node.error);
      const unheard = patience.ended(request.principal);
      if (unheard !== undefined) return reply.refuse(unheard);
      const ask = askOf(request.body, node.value, request);
      const attached = request.body.attach === true;
      const denied = (reason: Refusal): void => patience.denied(request.principal, reason);
      if (attached) return attachedRequest(controller, holders, ask, denied, request, reply);
      return answerGrant(await controller.request(ask), denied, reply);
    },
  );

  app.post(
    '/v1/mutations/:id/attach',
    {
      config: { needs: ['guard'], unlessOwn: 'operate' },
      schema: {
        summary: 'Hang an attached clearance on this connection, after the one before was lost.',
        params: contract.MutationParams,
        body: contract.FenceBody,
        response: {
          200: {
            description: 'JSON lines: the clearance, and what comes after it.',
            content: { 'application/x-ndjson': { schema: z.string() } },
          },
          ...refusals,
        },
      },
    },
    async (request, reply) => {
      const attached = await controller.attach(request.params.id, request.body.fence);
      if (!attached.ok) return sendRefusal(reply, attached.error);
      const stream = openStream(request, reply);
      holders.add(attached.value.id, stream);
      stream.line(clearedView(attached.value));
      follow(controller, attached.value, stream);
      return reply;
    },
  );

  app.post(
    '/v1/mutations/:id/renew',
    {
      config: { needs: ['guard'], unlessOwn: 'operate' },
      schema: {
        summary: 'Begin the lease anew.',
        params: contract.MutationParams,
        body: contract.FenceBody,
        response: { 200: contract.MutationView, ...refusals },
      },
    },
    async (request, reply) => answerView(await controller.renew(request.params.id, request.body.fence), reply),
  );

  app.post(
    '/v1/mutations/:id/commit',
    {
      config: { needs: ['guard'], unlessOwn: 'operate' },
      schema: {
        summary: 'The change worked: keep it.',
        params: contract.MutationParams,
        body: contract.FenceBody,
        response: { 200: contract.MutationView, ...refusals },
      },
    },
    async (request, reply) => answerView(await controller.commit(request.params.id, request.body.fence), reply),
  );

  app.post(
    '/v1/mutations/:id/rollback',
    {
      config: { needs: ['guard', 'operate'], unlessOwn: 'operate' },
      schema: {
        summary: 'Put the state back; the failed state is kept as evidence.',
        params: contract.MutationParams,
        body: contract.RollbackBody,
        response: { 200: contract.MutationView, ...refusals },
      },
    },
    async ({ params, body, principal }, reply) => {
      if (body.fence === undefined && !hasScope(principal, 'operate')) {
        return reply.refuse(refusal('forbidden', 'Without its fencing token only an operator rolls a mutation back.'));
      }
      const who = body.fence === undefined ? nameOf(principal) : undefined;
      return answerView(await controller.rollback(params.id, body.fence, who), reply);
    },
  );

  app.get(
    '/v1/mutations/:id/plan',
    {
      config: { needs: ['read', 'guard'], unlessOwn: 'read' },
      schema: {
        summary: 'What a rollback would do, without doing it.',
        params: contract.MutationParams,
        response: { 200: contract.PlanView, ...refusals },
      },
    },
    async (request, reply) => {
      const plans = await controller.plan(request.params.id);
      return plans.ok
        ? reply.send({ plans: plans.value as contract.PlanView['plans'] })
        : sendRefusal(reply, plans.error);
    },
  );

  app.post(
    '/v1/mutations/:id/resolve',
    {
      config: { needs: ['operate'] },
      schema: {
        summary: 'Decide what becomes of a quarantined mutation.',
        params: contract.MutationParams,
        body: contract.ResolveBody,
        response: { 200: contract.MutationView, ...refusals },
      },
    },
    async (request, reply) =>
      answerView(await controller.resolve(request.params.id, request.body.choice, nameOf(request.principal)), reply),
  );

  app.put(
    '/v1/mutations/:id/pin',
    {
      config: { needs: ['operate'] },
      schema: {
        summary: 'Keep a mutation out of retention, or let it in again.',
        params: contract.MutationParams,
        body: contract.PinBody,
        response: { 200: contract.MutationView, ...refusals },
      },
    },
    async (request, reply) =>
      answerView(await controller.pin(request.params.id, request.body.pinned, nameOf(request.principal)), reply),
  );

  app.get(
    '/v1/mutations',
    {
      config: { needs: ['read', 'guard'] },
      schema: {
        summary: 'Who changed what, why, and what came of it; newest first.',
        querystring: contract.MutationQuery,
        response: { 200: contract.MutationList, ...refusals },
      },
    },
    async ({ query, principal }, reply) => {
      const { since, limit, outcome, before } = query;
      const seen = hasScope(principal, 'read') ? ok(query.node) : askingNode(principal, query.node);
      if (!seen.ok) return reply.refuse(seen.error);
      const node = seen.value;
      const mutations = await controller.query({
        limit: limit ?? LIST_DEFAULT,
        ...(since === undefined ? {} : { since: Date.parse(since) }),
        ...(node === undefined ? {} : { node }),
        ...(outcome === undefined ? {} : { outcome }),
        ...(before === undefined ? {} : { before }),
      });
      return reply.send({ mutations: mutations.map(mutationView) });
    },
  );

  app.get(
    '/v1/mutations/:id',
    {
      config: { needs: ['read', 'guard'], unlessOwn: 'read' },
      schema: {
        summary: 'One mutation with its ledger records.',
        params: contract.MutationParams,
        response: { 200: contract.MutationDetail, ...refusals },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const mutation = await controller.find(id);
      if (mutation === undefined) return sendRefusal(reply, refusal('mutation_unknown', `There is no mutation ${id}.`));
      return reply.send({ ...mutationView(mutation), records: (await controller.recordsOf(id)).map(recordView) });
    },
  );

  app.get(
    '/v1/mutations/:id/diff',
    {
      config: { needs: ['read', 'guard'], unlessOwn: 'read' },
      schema: {
        summary: 'What the mutation added, modified and removed.',
        params: contract.MutationParams,
        response: { 200: contract.DiffView, ...refusals },
      },
    },
    async (request, reply) => {
      const diff = await controller.diff(request.params.id);
      return diff.ok
        ? reply.send({ datasets: diff.value as contract.DiffView['datasets'] })
        : sendRefusal(reply, diff.error);
    },
  );
};

function answerGrant(
  result: Result<Mutation, Refusal>,
  denied: (reason: Refusal) => void,
  reply: FastifyReply,
): Promise<FastifyReply> | FastifyReply {
  if (!result.ok) return sendRefusal(reply, result.error);
  const mutation = result.value;
  // A request repeated after a lost answer gets the grant it once had, whatever became of it since.
  if (mutation.clearedAt !== undefined) return reply.send(clearedView(mutation));
  denied(reasonOf(mutation));
  return sendRefusal(reply, reasonOf(mutation), mutation.id);
}

function answerView(result: Result<Mutation, Refusal>, reply: FastifyReply): Promise<FastifyReply> | FastifyReply {
  return result.ok ? reply.send(mutationView(result.value)) : sendRefusal(reply, result.error);
}

// ── attached callers ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Who hangs on which connection. It is the holder's sign of life: when it closes, whoever held it is gone. */
class Holders {
  readonly #controller: Controller;
  readonly #closing: () => boolean;
  readonly #streams = new Map<string, LineStream>();

  constructor(controller: Controller, closing: () => boolean) {
    this.#controller = controller;
    this.#closing = closing;
  }

  /** From now on the mutation hangs on this connection, and no more on the one before: that may close when it will. */
  add(mutation: string, stream: LineStream): void {
    this.#streams.set(mutation, stream);
    const gone = (): void => {
      if (this.#streams.get(mutation) !== stream) return;
      this.#streams.delete(mutation);
      // One that stops closes every connection, and lets its successor find out who is still there.
      if (!this.#closing()) this.#controller.holderGone(mutation);
    };
    if (stream.closed()) gone();
    else stream.onClose(gone);
  }
}

/** The first line is the decision, later lines tell the holder that the clearance was taken back. */
async function attachedRequest(
  controller: Controller,
  holders: Holders,
  ask: Ask,
  denied: (reason: Refusal) => void,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const stream = openStream(request, reply);
  let id: string | undefined;
  const result = await controller.request(ask, (begun) => {
    id = begun;
    holders.add(begun, stream);
  });
  if (result.ok && result.value.stage === 'cleared') {
    // Another one than was begun, when it was asked for before under the same key.
    if (result.value.id !== id) holders.add(result.value.id, stream);
    stream.line(clearedView(result.value));
    follow(controller, result.value, stream);
    return reply;
  }
  const reason = result.ok ? reasonOf(result.value) : result.error;
  denied(reason);
  stream.line(deniedView(reason, result.ok ? result.value.id : undefined));
  stream.end();
  return reply;
}

/** Tells the holder when its clearance ends without its doing. */
function follow(controller: Controller, mutation: Mutation, stream: LineStream): void {
  const cancel = controller.engine.feed.subscribe(({ event }) => {
    if (!('mutation' in event) || event.mutation !== mutation.id) return;
    if (event.type === 'rollback_started' || event.type === 'quarantined') {
      const reason = event.reason ?? refusal('lease_lost', 'The mutation is being rolled back.');
      const { code, message, hint } = reason;
      const stage = event.type === 'quarantined' ? 'quarantined' : 'rolling_back';
      stream.line({ status: 'revoked', stage, code, message, hint } satisfies contract.Revoked);
    }
    const now = controller.engine.state.mutations.get(mutation.id);
    if (now === undefined || isFinal(now)) {
      cancel();
      stream.end();
    }
  });
  stream.onClose(cancel);
}

interface LineStream {
  line(value: unknown): void;
  end(): void;
  closed(): boolean;
  onClose(run: () => void): void;
}

function openStream(request: FastifyRequest, reply: FastifyReply): LineStream {
  const body = new PassThrough();
  void reply.type('application/x-ndjson').header('cache-control', 'no-store').send(body);
  return {
    line: (value) => void body.write(`${JSON.stringify(value)}\n`),
    end: () => void body.end(),
    closed: () => request.raw.socket.destroyed,
    // Comes when the connection breaks as well as when the answer is complete; by then the mutation is over, and nobody minds.
    onClose: (run) => void reply.raw.once('close', run),
  };
}
