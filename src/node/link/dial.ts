import type { ClientRequest, IncomingMessage } from 'node:http';
import { connect } from 'node:net';

import { WebSocket } from 'ws';

import type { MeshRoute } from '../../client/transport.ts';

import type { Dial } from './link.ts';

/** Where a controller is, and what to show there. */
export interface ControllerAddress {
  /** For people. */
  readonly words: string;
  readonly socketPath?: () => string;
  /** `http:` or `https:`; for a Unix socket any host will do. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Certificates. A function, because a rotation changes them while the node runs. */
  readonly tls?: () => MeshRoute['tls'];
}

/** Until there is a link, or an answer that refuses it, whole. */
const PATIENCE_MS = 10_000;
/** A controller's orders are short; a task that it passes on is not. */
const MESSAGE_BYTES_MAX = 256 * 1024;
/** Of an answer that refuses the link, bytes. */
const REFUSAL_BYTES_MAX = 4_096;

/** Links over WebSocket, to the first of the controllers; each failure moves on to the next. */
export function dialInTurn(addresses: readonly ControllerAddress[], patienceMs = PATIENCE_MS): Dial {
  let turn = 0;
  return (events) => {
    const address = addresses[turn % addresses.length];
    if (address === undefined) throw new Error('a link needs a controller');
    const closed = (why: string): void => {
      turn += 1;
      events.closed(`${address.words}: ${why}`);
    };
    try {
      return dialWebSocket(address, patienceMs)({ ...events, closed });
    } catch (error) {
      // A certificate that cannot be read, a folder that is not there: it may be there the next time.
      setImmediate(() => closed(error instanceof Error ? error.message : String(error)));
      return { send: () => {}, ping: () => {}, close: () => {} };
    }
  };
}

function dialWebSocket(address: ControllerAddress, patienceMs: number): Dial {
  return ({ opened, said, ponged, closed }) => {
    const { socketPath, url, headers, tls } = address;
    const target = new URL('/v1/link', url);
    target.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(target, {
      perMessageDeflate: false,
      maxPayload: MESSAGE_BYTES_MAX,
      ...(headers === undefined ? {} : { headers }),
      ...tls?.(),
      ...(socketPath === undefined ? {} : { createConnection: () => connect(socketPath()) }),
    });
    let why: string | undefined;
    const patience = setTimeout(() => {
      why ??= `no answer within ${patienceMs} ms`;
      socket.terminate();
    }, patienceMs);
    socket.on('open', () => {
      clearTimeout(patience);
      opened();
    });
    socket.on('pong', ponged);
    socket.on('message', (data) => said((data as Buffer).toString()));
    socket.on('error', (error) => (why ??= error.message));
    socket.on('unexpected-response', (request: ClientRequest, response: IncomingMessage) => {
      refusalIn(response, (words) => {
        why ??= words;
        request.destroy();
        socket.terminate();
      });
    });
    socket.on('close', (code, reason) => {
      clearTimeout(patience);
      closed(why ?? (String(reason) || `closed with code ${code}`));
    });
    return {
      send: (text) => socket.send(text),
      ping: () => socket.ping(),
      close: () => socket.terminate(),
    };
  };
}

/** A controller that refuses answers with a refusal; anything else may be there too. */
function refusalIn(response: IncomingMessage, done: (words: string) => void): void {
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text = (text + chunk).slice(0, REFUSAL_BYTES_MAX);
  });
  response.on('error', () => {});
  response.on('close', () => {
    let words: unknown;
    try {
      words = (JSON.parse(text) as { message?: unknown }).message;
    } catch {
      // No controller, or no whole answer.
    }
    done(`${response.statusCode}: ${typeof words === 'string' ? words : 'refused'}`);
  });
}
