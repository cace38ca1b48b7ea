import { createServer, type IncomingMessage, type Server } from 'node:http';
import { timingSafeEqual, createHash } from 'node:crypto';
import swagger from '@fastify/swagger';
import { fastifySSE } from '@fastify/sse';
import Fastify, { LogController, type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { errorHandler, notFoundHandler, sendRefusal } from './answers.ts';
import { eventSocket } from './event-socket.ts';
import { eventRoutes } from './events.ts';
import { mutationRoutes } from './mutations.ts';
import { OPEN, openApi } from './openapi.ts';
import type { HttpOptions } from './options.ts';
import { stateRoutes } from './state.ts';
import { Upgrades } from './upgrades.ts';
import { webhookRoutes } from './webhooks.ts';

/** Largest body taken, bytes. */
const BODY_BYTES_MAX = 256 * 1024;

export interface Route {
  readonly method: string;
  /** With parameters as `:id`. */
  readonly url: string;
}

export interface HttpDoor {
  readonly app: FastifyInstance;
  /** Everything that is answered. */
  readonly routes: readonly Route[];
  /** A server for callers who were let in by file permission. */
  readonly local: Server;
  /** A server whose callers must show the token. */
  readonly remote: Server;
  /** Where others answer requests to upgrade, on both. */
  readonly upgrades: Upgrades;
  /** True while a caller is connected. */
  readonly busy: () => boolean;
  readonly close: () => Promise<void>;
}

/** The HTTP surface of a controller, on as many listeners as wanted: the same routes for a Unix socket and for TCP. */
export async function httpDoor(options: HttpOptions): Promise<HttpDoor> {
  const app = Fastify({
    loggerInstance: options.log,
    bodyLimit: BODY_BYTES_MAX,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 256 },
    // What fails before any route is found, such as a URL that cannot be decoded.
    frameworkErrors: (_error, request, reply) => notFoundHandler(request, reply),
  });
  // JSON is all that is understood.
  app.removeContentTypeParser('text/plain');
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(errorHandler);
  app.setNotFoundHandler(notFoundHandler);

  const remoteSockets = new WeakSet<object>();
  const entry = (request: IncomingMessage): Refusal | undefined =>
    !remoteSockets.has(request.socket) || tokenMatches(request, options.token)
      ? undefined
      : refusal('unauthorized', 'This address asks for a token, and the request shows no valid one.');
  app.addHook('onRequest', async (request, reply) => {
    const refused = OPEN.has(request.url) ? undefined : entry(request.raw);
    if (refused !== undefined) await sendRefusal(reply, refused);
  });
  const upgrades = new Upgrades(entry);
  upgrades.add(eventSocket(options));

  const routes: Route[] = [];
  app.addHook(
    'onRoute',
    ({ method, url }) => void routes.push(...[method].flat().map((one) => ({ method: one, url }))),
  );
  await app.register(swagger, openApi(options.controller.identity.version));
  await app.register(fastifySSE, { heartbeatInterval: 15_000 });
  let closing = false;
  await app.register(mutationRoutes, { ...options, closing: () => closing });
  await app.register(stateRoutes, options);
  await app.register(eventRoutes, options);
  const { webhooks } = options;
  if (webhooks !== undefined) await app.register(webhookRoutes, { webhooks });
  await app.ready();

  const local = createServer((request, response) => app.routing(request, response));
  const remote = createServer((request, response) => app.routing(request, response));
  remote.on('connection', (socket) => remoteSockets.add(socket));
  let connections = 0;
  for (const server of [local, remote]) {
    upgrades.listen(server);
    server.on('connection', (socket) => {
      connections += 1;
      socket.on('close', () => (connections -= 1));
    });
  }
  return {
    app,
    routes,
    local,
    remote,
    upgrades,
    busy: () => connections > 0,
    close: async () => {
      closing = true;
      for (const server of [local, remote]) {
        server.close();
        server.closeAllConnections();
      }
      await upgrades.close();
      await app.close();
    },
  };
}

function tokenMatches(request: IncomingMessage, token: string): boolean {
  const shown = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(shown), digest(token));
}
