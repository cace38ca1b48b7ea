import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Identity } from './certificate.ts';
import { type Networks, plainAddress } from './networks.ts';

/** Time for a TLS handshake, for the head of a request, and for all of it: longer than any honest peer takes. */
const HANDSHAKE_MS_MAX = 5_000;
const HEAD_MS_MAX = 10_000;
const REQUEST_MS_MAX = 30_000;
const LOOK_MS = 1_000;
/** Connections of one address at a time that nobody knows yet, and of all addresses together. */
const STRANGERS_MAX = 256;
const CONNECTIONS_MAX = 20_000;
/** A peer that is gone without a word is noticed after a while also where nothing is ever sent. */
const KEEP_ALIVE_MS = 15_000;

export interface ListenerOptions {
  readonly identity: Identity;
  /** The mesh's CA certificate, PEM. */
  readonly ca: string;
  readonly networks: Networks;
  readonly handle: RequestListener;
  /** Somebody was turned away before anything of theirs was read. */
  readonly dropped: (peer: string, why: 'network' | 'crowd' | 'handshake') => void;
}

export interface MeshListener {
  readonly server: Server;
  /** Whose this connection is was found out: it counts as that peer's from now on, and not as a stranger's. */
  readonly known: (socket: Socket) => void;
}

/**
 * An HTTPS server for nodes: TLS 1.3 only, and a certificate of the mesh asked for but not insisted on, since whoever joins has none
 * yet and programs show a token. Who is who is decided by request, and not here: a certificate may be one of a node that was revoked.
 */
export function meshListener({ identity, ca, networks, handle, dropped }: ListenerOptions): MeshListener {
  const server = createServer(
    {
      ...secrets(identity, ca),
      minVersion: 'TLSv1.3',
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS_MAX,
      ALPNProtocols: ['http/1.1'],
      headersTimeout: HEAD_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: LOOK_MS,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      noDelay: true,
    },
    handle,
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.on('drop', (about?: { readonly remoteAddress?: string }) => dropped(about?.remoteAddress ?? '', 'crowd'));
  server.on('tlsClientError', (_error, socket) => dropped(socket.remoteAddress ?? '', 'handshake'));
  const strangers = new Strangers();
  // TLS begins with the server's own listener for this event, so a peer from elsewhere is turned away before a byte of it is read.
  const begin = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const peer = plainAddress(socket.remoteAddress ?? '');
    const why = networks.has(peer) ? (strangers.admit(peer, socket) ? undefined : 'crowd') : 'network';
    if (why === undefined) {
      for (const listener of begin) listener.call(server, socket);
      return;
    }
    socket.destroy();
    dropped(peer, why);
  });
  return { server, known: (socket) => strangers.known(socket) };
}

/** Gives a running server the certificate that took the old one's place; connections that stand go on. */
export function renew(server: Server, identity: Identity, ca: string): void {
  server.setSecureContext(secrets(identity, ca));
}

/** The CA is sent along: whoever joins knows only its fingerprint. */
function secrets({ certificate, key }: Identity, ca: string): { cert: string; key: string; ca: string } {
  return { cert: `${certificate.trimEnd()}\n${ca}`, key, ca };
}

/** Counts connections by address until it is known whose they are. Nodes behind one address are not strangers to one another. */
class Strangers {
  readonly #counts = new Map<string, number>();
  readonly #leave = new Map<string, () => void>();

  admit(peer: string, socket: Socket): boolean {
    const count = this.#counts.get(peer) ?? 0;
    if (count >= STRANGERS_MAX) return false;
    this.#counts.set(peer, count + 1);
    const connection = keyOf(socket);
    const leave = (): void => {
      if (!this.#leave.delete(connection)) return;
      const left = (this.#counts.get(peer) ?? 1) - 1;
      if (left === 0) this.#counts.delete(peer);
      else this.#counts.set(peer, left);
    };
    this.#leave.set(connection, leave);
    socket.once('close', leave);
    return true;
  }

  known(socket: Socket): void {
    this.#leave.get(keyOf(socket))?.();
  }
}

/** The same connection before and after TLS has taken hold of it. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
