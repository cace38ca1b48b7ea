import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { problemOf } from './answers.ts';

/** What answers requests to upgrade on one path. */
export interface UpgradeRoute {
  readonly path: string;
  /** The connection is its own from now on, also to close. */
  readonly accept: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** The controller stops: say goodbye to everybody. */
  readonly close?: () => void;
}

/** What was said goodbye to may take so long to go by itself. */
const GOODBYE_MS = 500;

/** Requests to upgrade (WebSockets), by path; the same for every listener. What nobody answers is refused in plain HTTP. */
export class Upgrades {
  readonly #routes = new Map<string, UpgradeRoute>();
  readonly #sockets = new Set<Duplex>();
  readonly #entry: (request: IncomingMessage) => Refusal | undefined;

  /** @param entry why a request is not let in, whatever its path */
  constructor(entry: (request: IncomingMessage) => Refusal | undefined) {
    this.#entry = entry;
  }

  add(route: UpgradeRoute): void {
    this.#routes.set(route.path, route);
  }

  listen(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // A connection that breaks is not an error of this process.
      socket.on('error', () => socket.destroy());
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      const [path = ''] = (request.url ?? '').split('?');
      const route = /^websocket$/i.test(request.headers.upgrade ?? '') ? this.#routes.get(path) : undefined;
      const refused =
        this.#entry(request) ??
        (route === undefined
          ? refusal('route_unknown', `There is no upgrade to ${request.headers.upgrade ?? 'that'} on ${path}.`)
          : undefined);
      if (refused !== undefined || route === undefined) return refuseUpgrade(socket, refused);
      route.accept(request, socket, head);
    });
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
