import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { LedgerRecord } from '../../ports/ledger.ts';
import type { Controller } from '../../engine/controller.ts';
import * as contract from '../../wire/http.ts';
import { cloudEvent } from '../../wire/view.ts';
import type { HttpOptions } from './options.ts';

/** Records read from the ledger at a time while a stream catches up. */
const PAGE = 500;

/** Everything that happens, as server-sent events: CloudEvents whose id is the ledger's sequence number. */
export const eventRoutes: FastifyPluginAsyncZod<HttpOptions> = async (app, { controller }) => {
  app.get(
    '/v1/events',
    {
      config: { needs: ['read'] },
      sse: { kind: 'only' },
      schema: {
        summary:
          'Live events (SSE, CloudEvents). Resumes after Last-Event-ID, or from the cursor `after`; begins at the end.',
        querystring: contract.EventsQuery,
      },
    },
    async (request, reply) => {
      const header = Number(request.headers['last-event-id']);
      const resume =
        Number.isSafeInteger(header) && request.headers['last-event-id'] !== undefined ? header : undefined;
      const after = resume ?? request.query.after ?? (await controller.head())?.seq ?? 0;
      const gone = new AbortController();
      request.raw.once('close', () => gone.abort());
      reply.sse.onClose(() => gone.abort());
      // The caller hears at once that it listens, not only with the first event.
      reply.sse.sendHeaders();
      reply.raw.flushHeaders();
      const { node } = controller.identity;
      for await (const record of recordsAfter(controller, after, request.query.follow !== 'false', gone.signal)) {
        const { seq, event } = record;
        await reply.sse.send({ id: String(seq), event: `hauki.${event.type}`, data: cloudEvent(record, node) });
      }
    },
  );
};

/**
 * The ledger from a cursor on, then live. Always read from the ledger, the feed being only the bell that rings: so nothing is
 * missed, nothing is buffered for a slow reader, and order is the ledger's.
 */
async function* recordsAfter(
  controller: Controller,
  after: number,
  follow: boolean,
  gone: AbortSignal,
): AsyncGenerator<LedgerRecord> {
  let cursor = after;
  let ring = (): void => {};
  let rung = false;
  const cancel = controller.engine.feed.subscribe(() => {
    rung = true;
    ring();
  });
  const wake = (): void => ring();
  gone.addEventListener('abort', wake);
  try {
    while (!gone.aborted) {
      rung = false;
      const page = await controller.records(cursor, PAGE);
      for (const record of page) {
        if (gone.aborted) return;
        yield record;
        cursor = record.seq;
      }
      if (page.length === PAGE) continue;
      if (!follow) return;
      if (!rung && !gone.aborted) await new Promise<void>((resolve) => (ring = resolve));
    }
  } finally {
    cancel();
    gone.removeEventListener('abort', wake);
  }
}
