import { createServer, type Server } from 'node:http';
import { timingSafeEqual, createHash } from 'node:crypto';
import swagger from '@fastify/swagger';
import { fastifySSE } from '@fastify/sse';
import Fastify, { LogController, type FastifyInstance, type FastifyRequest } from 'fastify';
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import { refusal } from '../../base/refusal.ts';
import { errorHandler, notFoundHandler, sendRefusal } from './answers.ts';
import { barrierRoutes } from './barriers.ts';
import { eventRoutes } from './events.ts';
import { mutationRoutes } from './mutations.ts';
import type { HttpOptions } from './options.ts';
import { stateRoutes } from './state.ts';

/** Largest body taken, bytes. */
const BODY_BYTES_MAX = 256 * 1024;

export interface HttpDoor {
  readonly app: FastifyInstance;
  /** A server for callers who were let in by file permission. */
  readonly local: Server;
  /** A server whose callers must show the token. */
  readonly remote: Server;
  /** True while a caller is connected. */
  readonly busy: () => boolean;
  readonly close: () => Promise<void>;
}

const OPEN = new Set(['/healthz', '/readyz']);

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
  app.addHook('onRequest', async (request, reply) => {
    if (!remoteSockets.has(request.raw.socket) || OPEN.has(request.url)) return;
    if (!tokenMatches(request, options.token)) {
      await sendRefusal(
        reply,
        refusal('unauthorized', 'This address asks for a token, and the request shows no valid one.'),
      );
    }
  });

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'hauki controller',
        version: options.controller.identity.version,
        description: 'Clearance, outcome and history of changes to guarded state.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  await app.register(fastifySSE, { heartbeatInterval: 15_000 });
  let closing = false;
  await app.register(mutationRoutes, { ...options, closing: () => closing });
  await app.register(stateRoutes, options);
  await app.register(eventRoutes, options);
  await app.register(barrierRoutes, options);
  await app.ready();

  const local = createServer((request, response) => app.routing(request, response));
  const remote = createServer((request, response) => app.routing(request, response));
  remote.on('connection', (socket) => remoteSockets.add(socket));
  let connections = 0;
  for (const server of [local, remote]) {
    server.on('connection', (socket) => {
      connections += 1;
      socket.on('close', () => (connections -= 1));
    });
  }
  return {
    app,
    local,
    remote,
    busy: () => connections > 0,
    close: async () => {
      closing = true;
      for (const server of [local, remote]) {
        server.close();
        server.closeAllConnections();
      }
      await app.close();
    },
  };
}

function tokenMatches(request: FastifyRequest, token: string): boolean {
  const shown = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(shown), digest(token));
}
