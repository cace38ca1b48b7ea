import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { refusal } from '../../base/refusal.ts';
import { EventsQuery } from '../../wire/events.ts';
import { cloudEvent, missedNote, positionNote } from '../../wire/view.ts';
import type { HttpOptions } from './options.ts';
import { beginning, type Carrier, LET_GO, LINGER_MS, stream, STREAM_LIMITS, waiting } from './stream.ts';
import { refuseUpgrade, type UpgradeRoute } from './upgrades.ts';

/** Close codes of RFC 6455, and what they mean here. */
const CLOSE = { done: 1000, stopping: 1001, spoke: 1008, failed: 1011, missed: 1013 } as const;
/** Larger messages of a reader end its connection with 1009. */
const MESSAGE_BYTES_MAX = 1024;
/** As much as a server-sent stream holds for its reader. */
const BUFFER_BYTES_MAX = 16 * 1024;
const PING_MS = 15_000;

/** `GET /v1/events` upgraded to a WebSocket: the same events for the same query, one CloudEvent a text frame. */
export function eventSocket({ controller, limits = STREAM_LIMITS, log, metrics }: HttpOptions): UpgradeRoute {
  const server = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX, perMessageDeflate: false });
  const { node } = controller.identity;

  const accept = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const asked = EventsQuery.safeParse(
      Object.fromEntries(new URL(request.url ?? '/', 'http://controller').searchParams),
    );
    if (!asked.success) {
      const faults = asked.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`.trim());
      return refuseUpgrade(socket, refusal('body_invalid', `The request does not fit: ${faults.join('; ')}.`));
    }
    const after = await beginning(controller, asked.data, request.headers);
    if (!after.ok) return refuseUpgrade(socket, after.error);
    server.handleUpgrade(request, socket, head, (reader) => {
      const gone = new AbortController();
      reader.once('close', () => gone.abort());
      // What it sent was too long, or no WebSocket frame at all: the library closes with a code that says so.
      reader.on('error', () => undefined);
      reader.on('message', () => reader.close(CLOSE.spoke, 'this stream takes no messages'));
      keepAlive(reader);
      const following = { after: after.value, query: asked.data, signal: gone.signal };
      const left = metrics?.readerCame('websocket');
      void stream(controller, webSocket(reader, node), following, limits).then(
        (missed) => {
          left?.(missed !== undefined);
          if (missed !== undefined) log.info(missed, LET_GO);
        },
        (error: unknown) => {
          left?.(false);
          log.error({ error: String(error) }, 'a stream of events failed');
          reader.close(CLOSE.failed, 'the controller met an error it did not expect');
        },
      );
    });
  };

  return {
    path: '/v1/events',
    needs: ['read'],
    accept: (request, socket, head) => {
      accept(request, socket, head).catch(() => socket.destroy());
    },
    close: () => {
      for (const reader of server.clients) reader.close(CLOSE.stopping, 'the controller stops');
    },
  };
}

function webSocket(reader: WebSocket, node: string): Carrier {
  let flushed = (): void => undefined;
  let onTheirWay = 0;
  const send = (value: unknown): boolean => {
    onTheirWay += 1;
    reader.send(JSON.stringify(value), () => {
      onTheirWay -= 1;
      if (onTheirWay === 0) flushed();
    });
    return reader.bufferedAmount < BUFFER_BYTES_MAX;
  };
  const leave = (code: number, reason: string): void => {
    reader.close(code, reason);
    setTimeout(() => reader.terminate(), LINGER_MS).unref();
  };
  return {
    send: (heard) => send(heard.kind === 'record' ? cloudEvent(heard.record, node) : positionNote(heard.seq, node)),
    drained: (msMax) =>
      waiting((drained, gone) => {
        if (reader.readyState !== reader.OPEN) gone();
        else if (onTheirWay === 0) drained();
        flushed = drained;
        reader.once('close', gone);
        return () => {
          flushed = () => undefined;
          reader.off('close', gone);
        };
      }, msMax),
    done: () => leave(CLOSE.done, 'that was all'),
    leave: (missed) => {
      send(missedNote(missed, node));
      leave(CLOSE.missed, `missed ${missed.from} to ${missed.to}; resume after ${missed.after}`);
    },
  };
}

/** A connection whose other end does not answer for a whole interval leads nowhere any more. */
function keepAlive(reader: WebSocket): void {
  let answered = true;
  reader.on('pong', () => (answered = true));
  const ping = setInterval(() => {
    if (!answered) return reader.terminate();
    answered = false;
    reader.ping();
  }, PING_MS);
  ping.unref();
  reader.once('close', () => clearInterval(ping));
}
