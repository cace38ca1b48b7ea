import type { IncomingMessage } from 'node:http';

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Code } from '../../base/codes.ts';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Mutation } from '../../core/mutation/mutation.ts';
import type { Scope } from '../../core/token/token.ts';
import type { Controller } from '../../engine/controller.ts';
import { sendRefusal } from './answers.ts';
import type { Denials } from './denials.ts';
import { describePrincipal, type Doorkeeper, type Principal } from './principal.ts';

/**
 * What a route asks of its caller; any one of them is enough. An operator has all scopes, a node has `guard`.
 *
 * - `anyone`: nothing at all
 * - `peer`: to be somebody
 * - `node`: to be a node
 */
export type Need = 'anyone' | 'peer' | 'node' | Scope;

/**
 * Who is refused by these is refused whatever it asks, and what it has open would be counted as nobody's. A wrong token is not among them: it
 * may be a mistake, which the next request on the same connection puts right.
 */
const CLOSES: ReadonlySet<Code> = new Set(['overloaded', 'node_unknown', 'node_revoked', 'certificate_refused']);

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route says it: one that does not is not registered. */
    readonly needs?: readonly Need[];
    /** About the mutation `:id`: whoever has no such scope does it to its own only. */
    readonly unlessOwn?: Scope;
  }
  interface FastifyRequest {
    principal: Principal | undefined;
  }
  interface FastifyReply {
    /** Refuses and has it put on record: for what only the handler can tell. */
    refuse(reason: Refusal): Promise<FastifyReply>;
  }
}

/** Lets in who may, refuses who may not, and has every refusal put on record. Fails closed: no route without a need. */
export function guardRoutes(app: FastifyInstance, keeper: Doorkeeper, denials: Denials, controller: Controller): void {
  app.decorateRequest('principal', undefined);
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.needs === undefined || config.needs.length === 0) {
      throw new Error(`route ${String(method)} ${url} does not say what it needs (config.needs)`);
    }
  });

  const refuse = (request: FastifyRequest, reply: FastifyReply, reason: Refusal): Promise<FastifyReply> => {
    const { method, raw, principal, routeOptions } = request;
    // A page that somebody left open asks on, and is told so; that is no attempt at anything.
    if (reason.code === 'session_over') return sendRefusal(reply, reason);
    denials.note({
      peer: peerOf(raw),
      ...(principal === undefined ? {} : { as: describePrincipal(principal) }),
      what: `${method} ${routeOptions.url ?? '(unknown)'}`,
      code: reason.code,
      message: reason.message,
    });
    return sendRefusal(reply, reason);
  };

  app.decorateReply('refuse', function (this: FastifyReply, reason: Refusal) {
    return refuse(this.request, this, reason);
  });

  app.addHook('onRequest', async (request, reply) => {
    // What has no route is for nobody in particular, but whoever asks says who it is.
    const needs = request.routeOptions.config.needs ?? ['peer'];
    if (needs.includes('anyone')) return undefined;
    const found = keeper.principalOf(request.raw, reply.raw);
    // What a browser is shown does not stay on its disk.
    if (request.headers.cookie !== undefined) void reply.header('cache-control', 'no-store');
    if (!found.ok) {
      if (CLOSES.has(found.error.code)) void reply.header('connection', 'close');
      return refuse(request, reply, found.error);
    }
    request.principal = found.value;
    const refused = refusedBy(needs, found.value);
    return refused === undefined ? undefined : refuse(request, reply, refused);
  });

  app.addHook('preHandler', async (request, reply) => {
    const { unlessOwn } = request.routeOptions.config;
    const { principal } = request;
    if (unlessOwn === undefined || principal === undefined || hasScope(principal, unlessOwn)) return undefined;
    const { id } = request.params as { readonly id: string };
    const own = isOwn(await controller.find(id), id, principal);
    return own.ok ? undefined : refuse(request, reply, own.error);
  });
}

/** Who is at the other end, for the record. */
export function peerOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? 'local';
}

/** Why a caller may not have what needs this; undefined when it may. */
export function refusedBy(needs: readonly Need[], principal: Principal | undefined): Refusal | undefined {
  if (principal === undefined) {
    return refusal(
      'unauthorized',
      'This address asks for a token or a certificate of the mesh, and the request shows neither.',
    );
  }
  const fits = needs.some((need) => {
    if (need === 'anyone' || need === 'peer') return true;
    return need === 'node' ? principal.kind === 'node' : hasScope(principal, need);
  });
  if (fits) return undefined;
  return refusal('forbidden', `${describePrincipal(principal)} may not do this: it needs ${needs.join(' or ')}.`);
}

export function hasScope(principal: Principal | undefined, scope: Scope): boolean {
  if (principal === undefined) return false;
  if (principal.kind === 'operator') return true;
  return principal.kind === 'node' ? scope === 'guard' : principal.scopes.includes(scope);
}

function isOwn(mutation: Mutation | undefined, id: string, principal: Principal): Result<void, Refusal> {
  if (mutation === undefined) return err(refusal('mutation_unknown', `There is no mutation ${id}.`));
  if (principal.kind !== 'operator' && mutation.node === principal.name) return ok(undefined);
  return err(refusal('forbidden', `Mutation ${id} is not one of ${describePrincipal(principal)}.`));
}

/**
 * As whom a caller asks for clearance: itself. An operator, or a token that may operate, asks for any node.
 *
 * @param wanted the `node` of the request
 */
export function askingNode(
  principal: Principal | undefined,
  wanted: string | undefined,
): Result<string | undefined, Refusal> {
  if (principal === undefined) return err(refusal('unauthorized', 'Nobody is known to ask.'));
  if (principal.kind === 'operator') return ok(wanted);
  if (wanted === undefined || wanted === principal.name) return ok(principal.name);
  if (hasScope(principal, 'operate')) return ok(wanted);
  return err(refusal('forbidden', `${describePrincipal(principal)} may ask only as itself, not as ${wanted}.`));
}
