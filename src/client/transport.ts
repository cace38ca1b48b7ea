import { request as httpRequest, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { refusal, RefusedError } from '../base/refusal.ts';

/** Where a controller listens, and what to show there. */
export interface Address {
  /** For people: `unix:/path` or `http://host:port`. */
  readonly name: string;
  readonly socketPath?: string;
  readonly url?: URL;
  readonly token?: string;
  /** For https: whom to believe, and as whom to come. */
  readonly tls?: Tls;
}

/** PEM texts: the mesh's certificate authority, and the caller's own certificate with its key. */
export interface Tls {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Connection may be kept for the next call. */
  readonly keep?: boolean;
}

/** @throws RefusedError `controller_unreachable` when no answer comes */
export async function send(address: Address, call: Call): Promise<IncomingMessage> {
  // TLS is a big part of Node, and a Unix socket does without.
  const start = address.url?.protocol === 'https:' ? (await import('node:https')).request : httpRequest;
  return new Promise((resolve, reject) => {
    const request = open(start, address, call);
    request.once('response', resolve);
    request.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code ?? error.message;
      reject(
        new RefusedError(
          refusal('controller_unreachable', `The controller at ${address.name} does not answer (${why}).`),
        ),
      );
    });
    request.end(call.body === undefined ? undefined : JSON.stringify(call.body));
  });
}

function open(start: typeof httpRequest, { socketPath, url, token, tls }: Address, call: Call): ClientRequest {
  const options: RequestOptions = {
    method: call.method,
    path: call.path,
    agent: call.keep ? undefined : false,
    headers: {
      accept: 'application/json',
      ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...call.headers,
    },
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  };
  // An empty server name spares the agent finding one out for a TLS that there is not; its regular expressions cost 6 ms.
  if (socketPath !== undefined) return start({ ...options, socketPath, servername: '' } as RequestOptions);
  if (url === undefined) throw new TypeError('an address needs a socket or a URL');
  return start({
    ...options,
    ...tls,
    hostname: url.hostname,
    port: url.port,
    path: `${url.pathname.replace(/\/$/, '')}${call.path}`,
  });
}

export async function text(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** The lines of a streamed answer, as they come. A last line without its end is not a line: the connection broke in it. */
export async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    rest += chunk as string;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
  }
}
