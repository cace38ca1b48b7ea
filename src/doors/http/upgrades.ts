import type { IncomingMessage, Server } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { type Need, refusedBy } from './access.ts';
import { problemOf } from './answers.ts';
import type { Denials } from './denials.ts';
import { describePrincipal, type Doorkeeper, type Principal } from './principal.ts';

/** What answers requests to upgrade on one path. */
export interface UpgradeRoute {
  readonly path: string;
  /** What it asks of its caller, as a route does. */
  readonly needs: readonly Need[];
  /** The connection is its own from now on, also to close. */
  readonly accept: (request: IncomingMessage, socket: Duplex, head: Buffer, principal: Principal) => void;
  /** The controller stops: say goodbye to everybody. */
  readonly close?: () => void;
}

/** What was said goodbye to may take so long to go by itself. */
const GOODBYE_MS = 500;

/** Requests to upgrade (WebSockets), by path; the same for every listener. What nobody answers is refused in plain HTTP. */
export class Upgrades {
  readonly #routes = new Map<string, UpgradeRoute>();
  readonly #sockets = new Set<Duplex>();
  readonly #keeper: Doorkeeper;
  readonly #denials: Denials;

  constructor(keeper: Doorkeeper, denials: Denials) {
    this.#keeper = keeper;
    this.#denials = denials;
  }

  add(route: UpgradeRoute): void {
    this.#routes.set(route.path, route);
  }

  listen(server: Server | SecureServer): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // A connection that breaks is not an error of this process.
      socket.on('error', () => socket.destroy());
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      const [path = ''] = (request.url ?? '').split('?');
      const admitted = this.#admit(request, socket, path);
      if (!admitted.ok) return refuseUpgrade(socket, admitted.error);
      const { route, principal } = admitted.value;
      route.accept(request, socket, head, principal);
    });
  }

  /** Like a request to a route: who asks is looked at first, and a refusal is put on record. */
  #admit(
    request: IncomingMessage,
    socket: Duplex,
    path: string,
  ): Result<{ route: UpgradeRoute; principal: Principal }, Refusal> {
    const upgrade = request.headers.upgrade ?? 'that';
    const route = /^websocket$/i.test(upgrade) ? this.#routes.get(path) : undefined;
    const found = this.#keeper.principalOf(request, socket);
    const principal = found.ok ? found.value : undefined;
    const refused = found.ok ? refusedBy(route?.needs ?? ['peer'], principal) : found.error;
    if (refused !== undefined || principal === undefined) {
      const reason = refused ?? refusal('unauthorized', 'Nobody is known to ask.');
      this.#denials.note({
        peer: request.socket.remoteAddress ?? 'local',
        ...(principal === undefined ? {} : { as: describePrincipal(principal) }),
        what: `upgrade ${route?.path ?? '(unknown)'}`,
        code: reason.code,
        message: reason.message,
      });
      return err(reason);
    }
    if (route === undefined) return err(refusal('route_unknown', `There is no upgrade to ${upgrade} on ${path}.`));
    return ok({ route, principal });
  }

  async close(): Promise<void> {
    for (const route of this.#routes.values()) route.close?.();
    if (this.#sockets.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GOODBYE_MS);
      for (const socket of this.#sockets) {
        socket.once('close', () => {
          if (this.#sockets.size > 0) return;
          clearTimeout(timer);
          resolve();
        });
      }
    });
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Answers a request to upgrade like any other that is refused, and closes the connection. */
export function refuseUpgrade(
  socket: Duplex,
  reason: Refusal = refusal('route_unknown', 'There is nothing here.'),
): void {
  const problem = problemOf(reason);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  // The other end may never close its own side.
  socket.once('finish', () => void setTimeout(() => socket.destroy(), GOODBYE_MS).unref());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
