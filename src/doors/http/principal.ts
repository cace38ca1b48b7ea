import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { identify } from '../../core/node/member.ts';
import type { ApiToken, Scope } from '../../core/token/token.ts';
import type { Controller } from '../../engine/controller.ts';
import { digestOf, type Enrolment } from '../../engine/enrolment.ts';
import { foreignRefusal, hostInUrl, otherPageRefusal, sessionIn, strangeHostRefusal, wantedBy } from './browser.ts';
import { type Exchange, Sessions } from './sessions.ts';

/**
 * Who asks.
 *
 * - `operator`: on the Unix socket, let in by file permission; or on the loopback port with the token of HAUKI_HOME. May everything.
 * - `node`: over TLS, by the certificate of its mesh. Asks only as itself.
 * - `token`: over TLS or the loopback port, by an API token. May what its scopes say.
 *
 * A browser is the operator or a token: by the cookie of a session that it was given for one.
 */
export type Principal =
  | { readonly kind: 'operator' }
  /** `fingerprint`: of the key it showed, see Member. `until`: when the certificate it showed runs out; wall clock, ms. */
  | { readonly kind: 'node'; readonly name: string; readonly fingerprint: string; readonly until?: number }
  | { readonly kind: 'token'; readonly name: string; readonly scopes: readonly Scope[] };

/** Which way a connection came in, and with it what counts there. */
export type Door = 'local' | 'loopback' | 'mesh';

/** How a connection came in. */
interface Entrance {
  readonly door: Door;
  /** What browsers may call it. */
  readonly hosts: ReadonlySet<string>;
  readonly known: () => void;
}

/** Connections of one node or token at a time. */
const CONNECTIONS_MAX = 1_024;
/** How long a connection stands after its holder may not ask any more: long enough to be told so. */
const FAREWELL_MS = 1_000;
/** Tokens that expired are looked for so often: what is open sends no request by which it would be noticed. */
const LOOK_MS = 5_000;

export interface DoorkeeperOptions {
  readonly controller: Controller;
  readonly enrolment: Enrolment;
  /** The operator's token, for the loopback port. */
  readonly token: string;
}

/** Knows by which door each connection came, and says who asks on it. */
export class Doorkeeper {
  readonly #options: DoorkeeperOptions;
  readonly #doors = new WeakMap<Duplex, Entrance>();
  readonly #lent = new WeakMap<Duplex, Principal>();
  readonly #sessions = new Sessions(() => performance.now());
  readonly #connections = new Map<string, Set<Duplex>>();
  readonly #unsubscribe: () => void;
  readonly #look: NodeJS.Timeout;

  constructor(options: DoorkeeperOptions) {
    this.#options = options;
    this.#unsubscribe = options.controller.engine.feed.subscribe(({ event }) => {
      if (event.type === 'node_revoked') this.#dismiss(keyOf('node', event.node));
      if (event.type === 'token_revoked') this.#dismiss(keyOf('token', event.name));
    });
    this.#look = setInterval(() => this.sweep(), LOOK_MS);
    this.#look.unref();
  }

  /**
   * A connection came in.
   *
   * @param names what browsers may call the listener it came to, besides its address
   * @param known called when whoever came was let in, and is counted
   */
  enter(socket: Socket, door: Door, names: readonly string[], known: () => void): void {
    const address = plainAddress(socket.localAddress ?? '');
    this.#doors.set(socket, { door, hosts: new Set([...names, address].map(hostInUrl)), known });
  }

  /** A connection from within this process speaks for a caller who was let in by one of the doors. */
  lend(socket: Duplex, principal: Principal): void {
    this.#lent.set(socket, principal);
  }

  /** Ends the connections of tokens that have expired. */
  sweep(): void {
    const { controller, enrolment } = this.#options;
    for (const { name, expiresAt = Infinity } of controller.engine.state.tokens.values())
      if (enrolment.now >= expiresAt) this.#dismiss(keyOf('token', name));
  }

  close(): void {
    clearInterval(this.#look);
    this.#unsubscribe();
    this.#sessions.close();
  }

  /** Begins a session for a browser that shows a token. @returns its id, for the cookie */
  begin(request: IncomingMessage, token: string): Result<string, Refusal> {
    const known = this.#doors.get(request.socket);
    if (known === undefined) return err(noDoor());
    // Whoever logs in has no cookie yet that another page could abuse; that the page is ours has to be so all the same.
    const foreign = foreignRefusal(request, known.hosts, 'look');
    if (foreign !== undefined) return err(foreign);
    const digest = digestOf(token);
    const found = this.#byToken(digest, known.door);
    if (!found.ok) return found;
    const { controller, enrolment } = this.#options;
    const expiresAt = controller.engine.state.tokens.get(digest)?.expiresAt ?? Infinity;
    return ok(this.#sessions.begin(digest, expiresAt - enrolment.now).id);
  }

  /** How long the session that a request was let in by can still last, ms; undefined for one that was let in otherwise. */
  leftMs(request: IncomingMessage): number | undefined {
    const id = bearerOf(request) === undefined ? sessionIn(request) : undefined;
    return id === undefined ? undefined : this.#sessions.leftMs(id);
  }

  /** Ends the session of a request, if it has one. */
  end(request: IncomingMessage): Result<void, Refusal> {
    const id = sessionIn(request);
    const foreign =
      id === undefined
        ? undefined
        : foreignRefusal(request, this.#doors.get(request.socket)?.hosts ?? new Set(), wantedBy(request));
    if (foreign !== undefined) return err(foreign);
    if (id !== undefined) this.#sessions.end(id);
    return ok(undefined);
  }

  /**
   * Who sends a request, or asks for an upgrade. Looked up anew each time: a connection outlives a revocation only to be told of it.
   *
   * @param exchange what ends with the session, where a browser asks
   * @returns undefined for who shows nothing; refused for who shows what does not count
   */
  principalOf(request: IncomingMessage, exchange?: Exchange): Result<Principal | undefined, Refusal> {
    const { socket } = request;
    const lent = this.#lent.get(socket);
    if (lent !== undefined) {
      const standing = this.#standing(lent);
      return standing.ok ? this.#counted(standing.value, socket) : standing;
    }
    const entrance = this.#doors.get(socket);
    if (entrance === undefined) return err(noDoor());
    if (entrance.door === 'local') {
      // Somebody may have led a port of his machine to this socket, and then every page his browser shows could ask here.
      const other = strangeHostRefusal(request) ?? otherPageRefusal(request);
      return other === undefined ? ok({ kind: 'operator' }) : err(other);
    }
    const found = this.#shownBy(request, entrance, exchange);
    if (!found.ok || found.value === undefined) return found;
    const counted = this.#counted(found.value, socket);
    if (counted.ok) entrance.known();
    return counted;
  }

  #shownBy(
    request: IncomingMessage,
    { door, hosts }: Entrance,
    exchange: Exchange | undefined,
  ): Result<Principal | undefined, Refusal> {
    const bearer = bearerOf(request);
    if (bearer !== undefined) return this.#byToken(digestOf(bearer), door);
    const id = sessionIn(request);
    if (id === undefined) return this.#byCertificate(request.socket);
    const foreign = foreignRefusal(request, hosts, wantedBy(request));
    if (foreign !== undefined) return err(foreign);
    const token = this.#sessions.use(id, exchange);
    if (token === undefined) return err(refusal('session_over', 'The session of this cookie is over.'));
    const found = this.#byToken(token, door);
    if (!found.ok) this.#sessions.end(id);
    return found;
  }

  /** @param digest of the token that is shown, or that a session was begun with */
  #byToken(digest: string, door: Door): Result<Principal, Refusal> {
    // The operator's token opens everything, so it is not taken from elsewhere.
    if (door === 'loopback' && sameDigest(digest, digestOf(this.#options.token))) return ok({ kind: 'operator' });
    const token = this.#options.controller.engine.state.tokens.get(digest);
    if (token === undefined) return err(refusal('unauthorized', 'The token shown is none of this controller.'));
    return this.#bearerOf(token);
  }

  #bearerOf({ name, scopes, expiresAt }: ApiToken): Result<Principal, Refusal> {
    if (expiresAt !== undefined && this.#options.enrolment.now >= expiresAt) {
      return err(refusal('unauthorized', `The API token ${name} expired at ${new Date(expiresAt).toISOString()}.`));
    }
    return ok({ kind: 'token', name, scopes });
  }

  /** Whoever was let in once, as it stands now. */
  #standing(principal: Principal): Result<Principal, Refusal> {
    if (principal.kind === 'operator') return ok(principal);
    const { state } = this.#options.controller.engine;
    const { name } = principal;
    if (principal.kind === 'node') {
      const member = identify(state.nodes, principal, this.#options.enrolment.now);
      return member.ok ? ok(principal) : member;
    }
    const token = [...state.tokens.values()].find((one) => one.name === name);
    if (token === undefined) return err(refusal('token_revoked', `The API token ${name} was revoked.`));
    return this.#bearerOf(token);
  }

  #byCertificate(socket: Duplex): Result<Principal | undefined, Refusal> {
    const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    if (!(socket instanceof TLSSocket) || shown === undefined) return ok(undefined);
    if (!socket.authorized) {
      const why = String(socket.authorizationError);
      return err(refusal('certificate_refused', `The certificate shown is not valid in this mesh (${why}).`));
    }
    const fingerprint = createHash('sha256')
      .update(shown.publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex');
    const name = /^CN=(.*)$/m.exec(shown.subject)?.[1] ?? '';
    const { controller, enrolment } = this.#options;
    const member = identify(controller.engine.state.nodes, { name, fingerprint }, enrolment.now);
    return member.ok ? ok({ kind: 'node', name, fingerprint, until: Date.parse(shown.validTo) }) : member;
  }

  #counted(principal: Principal, socket: Duplex): Result<Principal, Refusal> {
    if (principal.kind === 'operator') return ok(principal);
    const key = keyOf(principal.kind, principal.name);
    const open = this.#connections.get(key) ?? new Set();
    if (open.has(socket)) return ok(principal);
    if (open.size >= CONNECTIONS_MAX) {
      return err(refusal('overloaded', `${describePrincipal(principal)} has ${open.size} connections open already.`));
    }
    this.#connections.set(key, open.add(socket));
    socket.once('close', () => {
      open.delete(socket);
      if (open.size === 0 && this.#connections.get(key) === open) this.#connections.delete(key);
    });
    return ok(principal);
  }

  #dismiss(key: string): void {
    const open = this.#connections.get(key);
    if (open === undefined) return;
    const sockets = [...open];
    setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, FAREWELL_MS).unref();
  }
}

function keyOf(kind: 'node' | 'token', name: string): string {
  return `${kind} ${name}`;
}

/** `node crm`, for people and the ledger. */
export function describePrincipal(principal: Principal): string {
  return principal.kind === 'operator' ? 'operator' : keyOf(principal.kind, principal.name);
}

/** For the ledger: an operator on the socket has no name of his own. */
export function nameOf(principal: Principal | undefined): string | undefined {
  return principal === undefined || principal.kind === 'operator' ? undefined : describePrincipal(principal);
}

function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
}

function noDoor(): Refusal {
  return refusal('unauthorized', 'This connection came by no door that is known.');
}

/** An IPv4 address that comes as IPv6 is the IPv4 address. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=[\d.]+$)/, '');
}

function sameDigest(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'));
}
