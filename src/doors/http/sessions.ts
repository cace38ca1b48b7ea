import { randomBytes } from 'node:crypto';
import { digestOf } from '../../engine/enrolment.ts';

/** How long a browser's session lasts, and how many there are at a time. */
export interface SessionLimits {
  /** Without a request and without an open stream, ms. */
  readonly idleMs: number;
  /** In all, ms: whatever happens, somebody shows a token again after that. */
  readonly lastsMs: number;
  readonly countMax: number;
  /** Of one token. */
  readonly countOfOneMax: number;
}

export const SESSION_LIMITS: SessionLimits = {
  idleMs: 30 * 60_000,
  lastsMs: 12 * 3_600_000,
  countMax: 1_000,
  countOfOneMax: 32,
};
/** Those that are over are looked for so often: a stream sends no request by which it would be noticed. */
const LOOK_MS = 30_000;
/** How long what is open may go on after its session has ended: long enough for an answer that is on its way. */
const FAREWELL_MS = 1_000;

/** A request that is being answered, or a connection that took over from one. */
export interface Exchange {
  once(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
}

interface Session {
  /** Of the token it was begun with: who that is, and whether it still is somebody, is looked up with each request. */
  readonly token: string;
  readonly endsAt: number;
  usedAt: number;
  readonly open: Set<Exchange>;
}

/**
 * The browsers that have shown a token. In memory only: who restarts the controller ends them all. A cookie holds a random id that says
 * nothing; here is only its digest.
 */
export class Sessions {
  readonly #mono: () => number;
  readonly #limits: SessionLimits;
  /** The least recently used stands first. */
  readonly #sessions = new Map<string, Session>();
  readonly #look: NodeJS.Timeout;

  /** @param mono monotonic clock, ms */
  constructor(mono: () => number, limits: SessionLimits = SESSION_LIMITS) {
    this.#mono = mono;
    this.#limits = limits;
    this.#look = setInterval(() => this.sweep(), LOOK_MS);
    this.#look.unref();
  }

  /**
   * Begins a session. Where there are too many, the one that was not used for longest ends.
   *
   * @param token digest of the token that was shown
   * @param lastsMsMax how long the token itself lasts, ms
   * @returns `id`: for the cookie; `lastsMs`: how long it lasts at most
   */
  begin(token: string, lastsMsMax = Infinity): { readonly id: string; readonly lastsMs: number } {
    this.sweep();
    const own = [...this.#sessions].filter(([, session]) => session.token === token);
    if (own.length >= this.#limits.countOfOneMax) this.#end(own[0]?.[0]);
    if (this.#sessions.size >= this.#limits.countMax) this.#end(this.#sessions.keys().next().value);
    const id = randomBytes(32).toString('base64url');
    const lastsMs = Math.min(this.#limits.lastsMs, lastsMsMax);
    const now = this.#mono();
    this.#sessions.set(digestOf(id), { token, endsAt: now + lastsMs, usedAt: now, open: new Set() });
    return { id, lastsMs };
  }

  /**
   * The session a request belongs to, which counts as a use of it.
   *
   * @param exchange keeps it in use for as long as it is open, and is closed when it ends
   * @returns the digest of its token; undefined for one that is over, or never was
   */
  use(id: string, exchange?: Exchange): string | undefined {
    const key = digestOf(id);
    const session = this.#sessions.get(key);
    const now = this.#mono();
    if (session === undefined || this.#isOver(session, now)) {
      this.#end(key);
      return undefined;
    }
    session.usedAt = now;
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    if (exchange !== undefined && !session.open.has(exchange)) {
      session.open.add(exchange);
      exchange.once('close', () => {
        session.open.delete(exchange);
        session.usedAt = this.#mono();
      });
    }
    return session.token;
  }

  /** How long it can still last, ms; undefined for one that is over. To ask is no use of it. */
  leftMs(id: string): number | undefined {
    const session = this.#sessions.get(digestOf(id));
    const now = this.#mono();
    return session === undefined || this.#isOver(session, now) ? undefined : session.endsAt - now;
  }

  end(id: string): void {
    this.#end(digestOf(id));
  }

  /** Ends those that are over. */
  sweep(): void {
    const now = this.#mono();
    for (const [key, session] of this.#sessions) if (this.#isOver(session, now)) this.#end(key);
  }

  close(): void {
    clearInterval(this.#look);
    this.#sessions.clear();
  }

  #isOver({ endsAt, usedAt, open }: Session, now: number): boolean {
    return now >= endsAt || (open.size === 0 && now - usedAt >= this.#limits.idleMs);
  }

  #end(key: string | undefined): void {
    const session = key === undefined ? undefined : this.#sessions.get(key);
    if (key === undefined || session === undefined) return;
    this.#sessions.delete(key);
    setTimeout(() => {
      for (const exchange of session.open) exchange.destroy();
    }, FAREWELL_MS).unref();
  }
}
