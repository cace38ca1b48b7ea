import * as z from 'zod';

/** The HTTP contract of who wants to hear what happens: streams of events, and webhooks. */

const time = z.iso.datetime();
const types = z
  .string()
  .max(1000)
  .regex(/^[a-z_*.]+(,[a-z_*.]+)*$/, 'types of events, separated by commas')
  .meta({
    description: 'Only these types, separated by commas; `*` stands for any letters.',
    examples: ['cleared,rollback*'],
  });
/** Which events somebody wants to hear of: all that is named has to fit. */
const selection = {
  type: types.optional(),
  node: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .meta({ description: 'Only of this node, and of mutations it asked for.' }),
  dataset: z
    .string()
    .min(1)
    .max(4096)
    .optional()
    .meta({ description: 'Only about this dataset or one inside it, and of mutations of such.' }),
  mutation: z.string().min(1).max(64).optional().meta({ description: 'Only about this mutation.' }),
};
export const EventsQuery = z.strictObject({
  after: z.coerce.number().int().min(0).optional().meta({ description: 'Cursor: only events with a higher id.' }),
  follow: z.enum(['true', 'false']).optional().meta({ description: 'false: end after the events there are.' }),
  ...selection,
});

/** What is said of the secret holds for the answer too: it is shown once. */
export const WebhookAsk = z
  .strictObject({
    url: z
      .string()
      .min(1)
      .max(2048)
      .meta({ examples: ['http://127.0.0.1:8080/hauki'] }),
    ...selection,
    secret: z
      .string()
      .max(200)
      .optional()
      .meta({ description: '`whsec_` and base64 of 24 to 64 bytes; one is made without it.' }),
    after: z.int().min(0).optional().meta({ description: 'Deliver from after this record on; from now on.' }),
  })
  .meta({ id: 'WebhookAsk' });
export const WebhookParams = z.strictObject({ id: z.string().min(1).max(64) });
export const WebhookView = z
  .object({
    webhook: z.string(),
    url: z.string(),
    state: z.enum(['active', 'retrying', 'disabled']),
    type: z.string().optional(),
    node: z.string().optional(),
    dataset: z.string().optional(),
    mutation: z.string().optional(),
    createdAt: time,
    cursor: z.int().meta({ description: 'Everything up to this record is done with.' }),
    deliveredAt: time.optional(),
    failing: z
      .object({ since: time, tries: z.int().meta({ description: 'Of the next event.' }), error: z.string() })
      .optional(),
    disabled: z.string().optional().meta({ description: 'Why nothing is delivered any more.' }),
    dead: z.int().meta({ description: 'Events that were given up.' }),
  })
  .meta({ id: 'Webhook' });
export const WebhookAdded = z
  .object({
    ...WebhookView.shape,
    secret: z.string().optional().meta({ description: 'Shown only here, and only when it was made here.' }),
  })
  .meta({ id: 'WebhookAdded' });
export const WebhookList = z.object({ webhooks: z.array(WebhookView) }).meta({ id: 'WebhookList' });
export const DeadQuery = z.strictObject({
  after: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(1000).optional(),
});
export const DeadList = z
  .object({
    dead: z.array(
      z.object({
        seq: z.int(),
        type: z.string(),
        at: time,
        tries: z.int(),
        error: z.string(),
        again: z.boolean().meta({ description: 'It is being tried once more.' }),
      }),
    ),
  })
  .meta({ id: 'DeadLetters' });
export const RetryBody = z
  .strictObject({ seq: z.int().min(1).optional().meta({ description: 'Only this one; all, without it.' }) })
  .meta({ id: 'RetryBody' });
export const RetryView = z.object({ again: z.int() }).meta({ id: 'Retry' });

export type WebhookAsk = z.infer<typeof WebhookAsk>;
export type WebhookView = z.infer<typeof WebhookView>;
export type WebhookAdded = z.infer<typeof WebhookAdded>;
export type WebhookList = z.infer<typeof WebhookList>;
export type DeadList = z.infer<typeof DeadList>;
export type RetryView = z.infer<typeof RetryView>;
export type EventsQuery = z.infer<typeof EventsQuery>;
