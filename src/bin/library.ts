import { refusal, RefusedError } from '../base/refusal.ts';
import { traceparentIn } from '../base/traceparent.ts';
import { Client } from '../client/client.ts';
import { eventsFrom, type EventsOptions, type EventsQuery } from '../client/events.ts';
import { type Guarded, guarded } from '../node/guarded.ts';
import type { Address, MeshRoute } from '../client/transport.ts';
import type { MutationAsk } from '../wire/http.ts';
import type { CloudEvent } from '../wire/view.ts';
import { systemClock } from './clock.ts';
import { bindable } from './home.ts';

/** What programs get from `import { connect } from 'hauki/client'`: the second way in, beside the command line. */

export { RefusedError } from '../base/refusal.ts';
export type { Refusal } from '../base/refusal.ts';
export type { Code } from '../base/codes.ts';
export type { EventsOptions, EventsQuery } from '../client/events.ts';
export { outcomeOf, type Guarded, type Outcome } from '../node/guarded.ts';
export type * from '../wire/http.ts';
export type { CloudEvent } from '../wire/view.ts';

/** Where the controller is: a Unix socket or a URL, one of the two. */
export interface ConnectOptions {
  /** PEM texts for https: the mesh's certificate authority, and the caller's own certificate with its key. */
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** `HAUKI_HOME/controller.sock`, for callers on the controller's host. */
  readonly socketPath?: string;
  /** `https://host:port`, or `http://` on loopback. */
  readonly url?: string | URL;
  readonly token?: string;
  /** The trace the calls are part of, as W3C Trace Context writes it; TRACEPARENT of the environment, without it. */
  readonly traceparent?: string;
}

/** Nothing is sent before the first call. @throws RefusedError `usage` when it is not said where the controller is */
export function connect(options: ConnectOptions): Hauki {
  const traceparent = traceparentIn(options.traceparent ?? process.env['TRACEPARENT']);
  return new Hauki({ ...addressOf(options), ...(traceparent === undefined ? {} : { traceparent }) });
}

/** A controller's API as methods. What is refused, and a controller that cannot be reached, is thrown as RefusedError. */
export class Hauki extends Client {
  /**
   * Freezes the datasets, does the work, and commits when it resolves. When it throws, the state is put back and the same error
   * thrown again, with what became of the state on it: `outcomeOf(error)`. The lease is renewed meanwhile; should it be lost,
   * `signal` of what the work is given aborts.
   *
   * @param ask.traceparent the trace it is part of, where that is another than the connection's
   * @throws RefusedError when it was denied, and then the work was not begun
   */
  guard<T>(
    ask: Omit<MutationAsk, 'attach'> & { readonly signal?: AbortSignal; readonly traceparent?: string },
    work: (guarded: Guarded) => T | Promise<T>,
  ): Promise<T> {
    const { signal, traceparent: said, ...rest } = ask;
    const traceparent = traceparentIn(said);
    const client = traceparent === undefined ? this : this.tracing(traceparent);
    return guarded(rest, work, { client, clock: systemClock, ...(signal === undefined ? {} : { signal }) });
  }

  /** Events as they happen, resumed by themselves after a broken connection: `for await (const event of client.events()) …` */
  events(query: EventsQuery = {}, options: EventsOptions = {}): AsyncGenerator<CloudEvent, void, undefined> {
    return eventsFrom(this, query, options);
  }
}

function addressOf({ socketPath, url, token, ca, cert, key }: ConnectOptions): Address {
  const wrong = (message: string): RefusedError =>
    new RefusedError(refusal('usage', message, 'Give connect() a socketPath, or an http:// or https:// url.'));
  if ((socketPath === undefined) === (url === undefined)) throw wrong('A controller has a socketPath or a url.');
  if (socketPath !== undefined) return { name: `unix:${socketPath}`, socketPath: bindable(socketPath) };
  const at = URL.canParse(String(url)) ? new URL(String(url)) : undefined;
  if (at?.protocol !== 'http:' && at?.protocol !== 'https:') throw wrong(`"${String(url)}" is not a controller's url.`);
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  const mesh = async (): Promise<MeshRoute> => ({ urls: [at], tls });
  const secure = at.protocol === 'https:' ? { mesh } : {};
  return { name: at.origin, url: at, ...secure, ...(token === undefined ? {} : { token }) };
}
