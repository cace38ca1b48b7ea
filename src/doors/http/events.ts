import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { EventsQuery } from '../../wire/events.ts';
import * as contract from '../../wire/http.ts';
import { cloudEvent, type Missed, missedNote } from '../../wire/view.ts';
import { sendRefusal } from './answers.ts';
import type { HttpOptions } from './options.ts';
import { beginning, type Carrier, endEvents, LET_GO, stream, STREAM_LIMITS, waiting } from './stream.ts';

/** Everything that happens, as server-sent events: CloudEvents whose id is the ledger's sequence number. */
export const eventRoutes: FastifyPluginAsyncZod<HttpOptions> = async (app, options) => {
  const { controller, log, metrics, limits = STREAM_LIMITS } = options;
  app.get(
    '/v1/events',
    {
      config: { needs: ['read'] },
      // Whatever a caller says it accepts: there is nothing else to be had here.
      sse: { kind: 'manual' },
      schema: {
        summary: 'Live events: server-sent events, or a WebSocket when asked to upgrade.',
        description: DESCRIPTION,
        headers: contract.EventsHeaders,
        querystring: EventsQuery,
        response: {
          101: z.undefined().meta({ description: 'A WebSocket: one CloudEvent a text frame. It takes no messages.' }),
          200: {
            description: 'CloudEvents 1.0 (structured JSON), one an event; `id` is the cursor.',
            content: { 'text/event-stream': { schema: z.string() } },
          },
        },
      },
    },
    async (request, reply) => {
      const after = await beginning(controller, request.query, request.raw.headers);
      if (!after.ok) return sendRefusal(reply, after.error);
      const gone = new AbortController();
      request.raw.once('close', () => gone.abort());
      reply.raw.once('close', () => gone.abort());
      // The caller hears at once that it listens, not only with the first event.
      reply.sse.sendHeaders();
      reply.raw.flushHeaders();
      const carrier = serverSent(reply, controller.identity.node);
      const asked = { after: after.value, query: request.query, signal: gone.signal };
      const left = metrics?.readerCame('sse');
      let missed: Missed | undefined;
      try {
        missed = await stream(controller, carrier, asked, limits);
      } finally {
        left?.(missed !== undefined);
      }
      if (missed !== undefined) log.info(missed, LET_GO);
      return undefined;
    },
  );
};

const DESCRIPTION = `Resumes after \`Last-Event-ID\`, or from the cursor \`after\`; begins at the end. Every record of the ledger that fits
the filter comes once, in order. With a filter the position is said now and then, so that a reader that resumes begins there: as an
\`id\` without an event (SSE; also the comment \`position N\`), or as \`hauki.stream.position\` (WebSocket).

A reader that had caught up and falls more than 10000 records behind, or whose connection takes nothing for 30 s, is told so by the event
\`hauki.stream.missed\` (\`{from, to, after}\`) and let go. Nothing is lost: resume with \`after\`, or begin at the end. WebSockets close with 1000
(everything was sent), 1001 (the controller stops), 1008 (the reader sent something), 1009 (more than 1 KiB) or 1013 (missed).`;

function serverSent(reply: FastifyReply, node: string): Carrier {
  const { raw } = reply;
  return {
    send: (heard) => {
      // An id without data moves a browser's cursor and is no event to it. Other readers do not get to see it: for them, the comment.
      if (heard.kind === 'position') return raw.write(`: position ${heard.seq}\nid: ${heard.seq}\n\n`);
      const { seq, event } = heard.record;
      const data = JSON.stringify(cloudEvent(heard.record, node));
      return raw.write(`id: ${seq}\nevent: hauki.${event.type}\ndata: ${data}\n\n`);
    },
    drained: (msMax) =>
      waiting((drained, gone) => {
        if (raw.destroyed || raw.writableEnded) gone();
        raw.once('drain', drained);
        raw.once('close', gone);
        return () => void raw.off('drain', drained).off('close', gone);
      }, msMax),
    done: () => endEvents(reply),
    leave: (missed) => {
      // Without an id: the reader's cursor stays where it is.
      raw.write(`event: hauki.stream.missed\ndata: ${JSON.stringify(missedNote(missed, node))}\n\n`);
      endEvents(reply);
    },
  };
}
