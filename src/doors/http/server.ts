import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import swagger from '@fastify/swagger';
import { fastifySSE } from '@fastify/sse';
import Fastify, { LogController, type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { guardRoutes } from './access.ts';
import { errorHandler, notFoundHandler } from './answers.ts';
import { barrierRoutes } from './barriers.ts';
import { Denials } from './denials.ts';
import { eventSocket } from './event-socket.ts';
import { eventRoutes } from './events.ts';
import { insideServer } from './inside.ts';
import { ledgerRoutes } from './ledger.ts';
import { mcpRoutes } from './mcp.ts';
import { metricsRoutes } from './metrics.ts';
import { mutationRoutes } from './mutations.ts';
import { nodeRoutes } from './nodes.ts';
import { openApi } from './openapi.ts';
import type { HttpOptions } from './options.ts';
import { pageRoutes } from './page.ts';
import { type Door, Doorkeeper } from './principal.ts';
import { sessionRoutes } from './session-routes.ts';
import { stateRoutes } from './state.ts';
import { taskRoutes } from './tasks.ts';
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
  /** A server whose callers must show a token. */
  readonly remote: Server;
  /**
   * What a server for nodes does with its requests; and lets such a server in, made elsewhere and with TLS. `names`: what it is called in
   * the addresses of browsers. `known`: told of each connection whose peer was let in.
   */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  readonly admit: (server: SecureServer, names: readonly string[], known: (socket: Socket) => void) => void;
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

  const keeper = new Doorkeeper(options);
  const { engine } = options.controller;
  const denials = new Denials((denial) => engine.tell({ type: 'report_denial', ...denial }));
  guardRoutes(app, keeper, denials, options.controller);
  const upgrades = new Upgrades(keeper, denials);
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
  await app.register(sessionRoutes, { keeper, enrolment: options.enrolment });
  await app.register(eventRoutes, options);
  await app.register(barrierRoutes, options);
  await app.register(nodeRoutes, options);
  await app.register(taskRoutes, { ...options, denials });
  const { controller, webhooks, mcp, metrics, page, verifying } = options;
  if (verifying !== undefined) await app.register(ledgerRoutes, { controller, verifying });
  if (page !== undefined) pageRoutes(app, { page });
  if (webhooks !== undefined) await app.register(webhookRoutes, { webhooks });
  if (metrics !== undefined) await app.register(metricsRoutes, { metrics });
  const handle: HttpDoor['handle'] = (request, response) => app.routing(request, response);
  const inside = insideServer(handle, keeper);
  if (mcp !== undefined) await app.register(mcpRoutes, { mcp, connect: inside.connect });
  await app.ready();

  const servers: (Server | SecureServer)[] = [inside.server];
  let connections = 0;
  const admit = (
    server: Server | SecureServer,
    door: Door,
    names: readonly string[] = [],
    known: (socket: Socket) => void = () => undefined,
  ): void => {
    servers.push(server);
    upgrades.listen(server);
    server.on(door === 'mesh' ? 'secureConnection' : 'connection', (socket: Socket) => {
      keeper.enter(socket, door, names, () => known(socket));
      connections += 1;
      socket.on('close', () => (connections -= 1));
    });
  };
  const [local, remote] = [createServer(handle), createServer(handle)];
  admit(local, 'local');
  admit(remote, 'loopback');
  return {
    app,
    routes,
    local,
    remote,
    handle,
    admit: (server, names, known) => admit(server, 'mesh', names, known),
    upgrades,
    busy: () => connections > 0,
    close: async () => {
      // Its sessions cannot come back, as other callers do: what they hold is given up at once.
      await mcp?.close();
      await inside.close();
      closing = true;
      denials.flush();
      keeper.close();
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      await upgrades.close();
      await app.close();
    },
  };
}
