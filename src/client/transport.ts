import { request as httpRequest, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import type { Traceparent } from '../base/traceparent.ts';

/** Where a controller listens, and what to show there. */
export interface Address {
  /** For people: `unix:/path` or `http://host:port`. */
  readonly name: string;
  readonly socketPath?: string;
  readonly url?: URL;
  readonly token?: string;
  /** Opens a connection to it within this process. */
  readonly connect?: () => Duplex;
  /** The trace that the calls are part of. */
  readonly traceparent?: Traceparent;
  /** For `https://`: found out when the first call is made, and again for each new connection, since certificates are renewed. */
  readonly mesh?: () => Promise<MeshRoute>;
}

/** How to reach a controller by TLS. */
export interface MeshRoute {
  /** Addresses of one controller, tried in this order until one can be connected to. */
  readonly urls: readonly URL[];
  /** The CA to believe, the certificate to show, and the name the other side has to prove. */
  readonly tls: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Connection may be kept for the next call. */
  readonly keep?: boolean;
  /** After so long without an answer the controller counts as unreachable: where a connection can be dead without a sign. */
  readonly answerMsMax?: number;
}

/** How long to wait for a connection: to the last address, and where there is another to try. */
const CONNECT_MS_MAX = 10_000;
const CONNECT_MS_BEFORE_NEXT = 3_000;
/** A connection that was cut without a word is found out by it, on which nothing is sent and an answer is waited for. */
const KEEP_ALIVE_MS = 15_000;

/** @throws RefusedError `controller_unreachable` when no answer comes, `mesh_other` when a stranger answers */
export async function send(address: Address, call: Call): Promise<IncomingMessage> {
  if (address.mesh !== undefined) return sendByMesh(address, await address.mesh(), call);
  // TLS is a big part of Node, and a Unix socket does without.
  const start = address.url?.protocol === 'https:' ? (await import('node:https')).request : httpRequest;
  return answered(address, open(start, address, call), call);
}

async function sendByMesh(address: Address, { urls, tls }: MeshRoute, call: Call): Promise<IncomingMessage> {
  const { request } = await import('node:https');
  for (const [index, url] of urls.entries()) {
    const sent = open(request, { ...address, url }, call, tls);
    const last = index === urls.length - 1;
    connectingWithin(sent, last ? CONNECT_MS_MAX : CONNECT_MS_BEFORE_NEXT);
    try {
      return await answered({ ...address, name: url.origin }, sent, call);
    } catch (error) {
      // Only what certainly reached nobody is sent once more.
      if (last || !neverConnected(sent)) throw error;
    }
  }
  throw new TypeError('a route needs an address');
}

const connected = new WeakSet<ClientRequest>();

function neverConnected(request: ClientRequest): boolean {
  return !connected.has(request);
}

function connectingWithin(request: ClientRequest, ms: number): void {
  const limit = setTimeout(() => request.destroy(Object.assign(new Error('no connection'), { code: 'ETIMEDOUT' })), ms);
  request.once('socket', (socket) => {
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.once('secureConnect', () => {
      connected.add(request);
      clearTimeout(limit);
    });
  });
  request.once('close', () => clearTimeout(limit));
}

function answered(address: Address, request: ClientRequest, call: Call): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const silent = Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });
    const limit = call.answerMsMax && setTimeout(() => request.destroy(silent), call.answerMsMax);
    request.once('response', (response) => {
      clearTimeout(limit);
      resolve(response);
    });
    request.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(limit);
      reject(new RefusedError(whyNot(address, error)));
    });
    request.end(call.body === undefined ? undefined : JSON.stringify(call.body));
  });
}

/** What TLS calls a certificate that the CA at hand does not answer for. */
const STRANGER =
  /^(SELF_SIGNED_CERT|DEPTH_ZERO_SELF|UNABLE_TO_(VERIFY|GET)|CERT_SIGNATURE|ERR_TLS_CERT_ALTNAME|INVALID_PURPOSE|INVALID_CA|ERR_SSL_)/;

function whyNot({ name }: Address, error: NodeJS.ErrnoException): Refusal {
  const why = error.code ?? error.message;
  if (why === 'CERT_HAS_EXPIRED' || why === 'CERT_NOT_YET_VALID') {
    const words = `The certificate of the controller at ${name} is not valid now (${why}).`;
    return refusal(
      'mesh_other',
      words,
      'Compare the clocks of both machines; then start the controller again, which renews it.',
    );
  }
  if (STRANGER.test(why)) {
    return refusal('mesh_other', `What answers at ${name} is not the controller of this mesh (${why}).`);
  }
  return refusal('controller_unreachable', `The controller at ${name} does not answer (${why}).`);
}

function open(
  start: typeof httpRequest,
  { socketPath, url, token, connect, traceparent }: Address,
  call: Call,
  tls: MeshRoute['tls'] = {},
): ClientRequest {
  const options: RequestOptions = {
    method: call.method,
    path: call.path,
    agent: call.keep ? undefined : false,
    headers: {
      accept: 'application/json',
      ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(traceparent === undefined ? {} : { traceparent }),
      ...call.headers,
    },
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  };
  if (connect !== undefined) {
    // An agent would make connections of its own.
    const { agent: _, ...unpooled } = options;
    return start({ ...unpooled, createConnection: connect });
  }
  // An empty server name spares the agent finding one out for a TLS that there is not; its regular expressions cost 6 ms.
  if (socketPath !== undefined) return start({ ...options, socketPath, servername: '' } as RequestOptions);
  if (url === undefined) throw new TypeError('an address needs a socket or a URL');
  return start({
    ...options,
    ...tls,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port,
    path: `${url.pathname.replace(/\/$/, '')}${call.path}`,
  } as RequestOptions);
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
