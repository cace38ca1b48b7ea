import * as z from 'zod';
import { RecordView } from './http.ts';

/** The HTTP contract of the ledger itself: how large it is, whether it is whole, its records page by page. */

const time = z.iso.datetime();

export const VerificationView = z
  .object({
    at: time.meta({ description: 'When it had ended.' }),
    ok: z.boolean(),
    records: z.int().meta({ description: 'How many were walked.' }),
    tookMs: z.int(),
    problem: z.string().optional().meta({ description: 'The first thing that is wrong, in words.' }),
    brokenAt: z.int().optional().meta({ description: 'The record it is wrong at.' }),
    notes: z
      .array(z.string())
      .meta({ description: 'What is not wrong, but leaves the proof weaker than it could be.' }),
  })
  .meta({
    id: 'Verification',
    description: 'The whole chain walked, its signed head checked, the mutations compared.',
  });

export const LedgerView = z
  .object({
    records: z.int(),
    head: z.string().meta({ description: 'Hash of the newest record; empty without any.' }),
    bytes: z.int().meta({ description: 'What its files take.' }),
    verifying: z.boolean().meta({ description: 'A verification is under way.' }),
    verification: VerificationView.optional().meta({
      description: 'The last one since this controller started; not there without any.',
    }),
  })
  .meta({ id: 'Ledger' });

export const LedgerQuery = z.strictObject({
  before: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .meta({ description: 'Only records before this one: the `next` of the page before.' }),
  limit: z.coerce.number().int().min(1).max(1000).optional().meta({ description: 'At most so many; 100.' }),
});
export const LedgerPage = z
  .object({
    records: z.array(RecordView).meta({ description: 'The newest first.' }),
    next: z.int().optional().meta({ description: '`before` of the page after this one; not there on the last.' }),
  })
  .meta({ id: 'LedgerPage' });

export type VerificationView = z.infer<typeof VerificationView>;
export type LedgerView = z.infer<typeof LedgerView>;
export type LedgerPage = z.infer<typeof LedgerPage>;
