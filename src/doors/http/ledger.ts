import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { RefusedError } from '../../base/refusal.ts';
import type { Controller } from '../../engine/controller.ts';
import type { Verification, Verifying } from '../../engine/verifying.ts';
import { Denied } from '../../wire/http.ts';
import { LedgerPage, LedgerQuery, LedgerView, VerificationView } from '../../wire/ledger.ts';
import { iso, recordView } from '../../wire/view.ts';
import { sendRefusal } from './answers.ts';

const PAGE_RECORDS = 100;

export interface LedgerOptions {
  readonly controller: Controller;
  readonly verifying: Verifying;
}

/** The ledger itself: its size, its records, whether it is whole. */
export const ledgerRoutes: FastifyPluginAsyncZod<LedgerOptions> = async (app, { controller, verifying }) => {
  const refusals = { '4xx': Denied, '5xx': Denied };

  app.get(
    '/v1/ledger',
    {
      config: { needs: ['read'] },
      schema: {
        summary: 'How large the ledger is, and how its last verification went.',
        response: { 200: LedgerView, ...refusals },
      },
    },
    async () => {
      const head = await controller.head();
      const { last, isRunning } = verifying;
      return {
        records: head?.seq ?? 0,
        head: head?.hash ?? '',
        bytes: await verifying.bytes(),
        verifying: isRunning,
        ...(last === undefined ? {} : { verification: verificationView(last) }),
      };
    },
  );

  app.get(
    '/v1/ledger/records',
    {
      config: { needs: ['read'] },
      schema: {
        summary: 'The records of the ledger, the newest first, page by page.',
        querystring: LedgerQuery,
        response: { 200: LedgerPage, ...refusals },
      },
    },
    async ({ query }) => {
      const newest = (await controller.head())?.seq ?? 0;
      // Records are numbered without a gap, so a page is found by counting.
      const last = Math.min(newest, (query.before ?? Infinity) - 1);
      const first = Math.max(1, last - (query.limit ?? PAGE_RECORDS) + 1);
      const records = last < first ? [] : await controller.records(first - 1, last - first + 1);
      return { records: records.toReversed().map(recordView), ...(first > 1 && last >= first ? { next: first } : {}) };
    },
  );

  app.post(
    '/v1/ledger/verify',
    {
      config: { needs: ['read'] },
      schema: {
        summary: 'Verify the whole ledger now; answered when that has ended.',
        description:
          'One at a time: whoever asks while one is under way is answered with that one. The same as `hauki audit verify`.',
        response: { 200: VerificationView, ...refusals },
      },
    },
    async (_request, reply) => {
      try {
        return await reply.send(verificationView(await verifying.verify()));
      } catch (error) {
        if (error instanceof RefusedError) return sendRefusal(reply, error.refusal);
        throw error;
      }
    },
  );
};

function verificationView({ at, ok, records, tookMs, firstBroken, notes }: Verification): VerificationView {
  return {
    ...{ at: iso(at), ok, records, tookMs, notes: [...notes] },
    ...(firstBroken === undefined ? {} : { problem: firstBroken.problem, brokenAt: firstBroken.seq }),
  };
}
