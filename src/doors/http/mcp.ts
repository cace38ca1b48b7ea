import { pipeline } from 'node:stream/promises';
import { Readable, type Duplex } from 'node:stream';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { refusal } from '../../base/refusal.ts';
import type { McpCaller, McpEndpoint } from '../../ports/mcp.ts';
import { describePrincipal, type Principal } from './principal.ts';

export interface McpRouteOptions {
  readonly mcp: McpEndpoint;
  /** See Inside. */
  readonly connect: (principal: Principal) => Duplex;
}

/** What the endpoint gets to see of a request's headers: what says who asks stays here. */
const HEADERS = /^(accept|content-type|last-event-id|mcp-[a-z0-9-]+)$/;

/** MCP over streamable HTTP, for agents elsewhere. What its tools do, they do by the other routes, as their caller. */
export const mcpRoutes: FastifyPluginAsync<McpRouteOptions> = async (app, { mcp, connect }) => {
  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: '/mcp',
    config: { needs: ['read', 'guard', 'operate'] },
    // It is not of this contract: MCP has its own.
    schema: { hide: true },
    handler: async (request, reply) => {
      const { principal } = request;
      if (principal === undefined) return reply.refuse(refusal('unauthorized', 'Nobody is known to ask.'));
      if (isForeign(request))
        return reply.refuse(refusal('forbidden', 'Pages of elsewhere do not speak to agents’ tools.'));
      const gone = new AbortController();
      reply.raw.once('close', () => {
        if (!reply.raw.writableFinished) gone.abort();
      });
      const asked = webRequest(request, gone.signal);
      const response = await mcp.answer(asked, request.body ?? undefined, callerOf(principal, connect));
      await send(reply, response);
      return reply;
    },
  });
};

/** A page in a browser says where it is from: one from elsewhere may have found the way by a name that it made point here. */
function isForeign({ headers }: FastifyRequest): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}

function callerOf(principal: Principal, connect: McpRouteOptions['connect']): McpCaller {
  const name = describePrincipal(principal);
  return {
    key: principal.kind === 'node' ? `${name} ${principal.fingerprint}` : name,
    name,
    operator: principal.kind === 'operator',
    connect: () => connect(principal),
  };
}

/** @param gone aborts when the caller's connection closes before it was answered */
function webRequest({ method, headers }: FastifyRequest, gone: AbortSignal): Request {
  const seen = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    HEADERS.test(name) && typeof value === 'string' ? [[name, value]] : [],
  );
  return new Request('http://localhost/mcp', { method, headers: seen, signal: gone });
}

/** Its head at once: a stream may have nothing to say for a long time. */
async function send(reply: FastifyReply, response: Response): Promise<void> {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(response.status, Object.fromEntries(response.headers));
  raw.flushHeaders();
  if (response.body === null) {
    raw.end();
    return;
  }
  // A caller that goes away in the middle is no error of anybody's here.
  await pipeline(Readable.fromWeb(response.body), raw).catch(() => undefined);
}
