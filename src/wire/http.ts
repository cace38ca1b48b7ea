import * as z from 'zod';
import { CODES, type Code } from '../base/codes.ts';
import { parseDuration } from '../base/duration.ts';

/**
 * The HTTP contract: schemas, from which types, validation and OpenAPI follow. Times are ISO 8601 in UTC, durations text with a
 * unit (`10m`), sizes bytes. Requests refuse members they do not know; answers may gain members.
 */

const code = z.enum(Object.keys(CODES) as [Code, ...Code[]]).meta({ description: 'See docs/errors.md.' });
const duration = z
  .string()
  .regex(/^(\d+(\.\d+)?(ms|s|m|h|d))+$/, 'a duration with its unit, such as 500ms, 30s, 10m or 1h30m')
  .refine((text) => parseDuration(text).ok, 'a duration that can be counted in milliseconds')
  .meta({ examples: ['30s', '10m'] });
const time = z.iso.datetime();
const fence = z.int().min(1).meta({ description: 'The fencing token the clearance came with.' });
const mutationId = z.string().min(1).max(64);
const stage = z.enum([
  'queued',
  'snapshotting',
  'cleared',
  'committing',
  'withdrawing',
  'rolling_back',
  'quarantined',
  'committed',
  'rolled_back',
  'denied',
  'cancelled',
]);

const refusal = z.object({
  code,
  message: z.string(),
  hint: z.string(),
  evidence: z.record(z.string(), z.unknown()).optional(),
});

export const Denied = z
  .object({ status: z.literal('denied'), ...refusal.shape, mutation: mutationId.optional() })
  .meta({ id: 'Denied', description: 'A refusal: nothing was done.' });

export const Cleared = z
  .object({
    status: z.literal('cleared'),
    snapshot: z.string().meta({ description: 'The first of the snapshots.' }),
    snapshots: z.array(z.string()),
    mutation: mutationId,
    node: z.string(),
    driver: z.string(),
    fence,
    expiresAt: time,
    ttlMs: z.int(),
  })
  .meta({ id: 'Cleared', description: 'The state is frozen and the locks are held.' });

/** Problem details of RFC 9457, for requests that could not even be understood. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code,
    message: z.string(),
    hint: z.string(),
  })
  .meta({ id: 'Problem' });

export const MutationAsk = z
  .strictObject({
    intent: z.string().meta({ description: '1 to 512 characters: what is about to change, and why.' }),
    datasets: z
      .array(z.string().min(1).max(4096))
      .min(1)
      .max(64)
      .meta({ description: 'Absolute paths, or dataset names.' }),
    node: z.string().max(256).optional(),
    mode: z.enum(['standard', 'critical']).optional(),
    ttl: duration.optional().meta({ description: 'Length of the lease; 10m.' }),
    wait: duration.optional().meta({ description: 'How long to wait for the locks; 30s.' }),
    onExpiry: z.enum(['rollback', 'quarantine']).optional(),
    recursive: z
      .boolean()
      .optional()
      .meta({ description: 'With every dataset inside those named, all of one moment (ZFS).' }),
    attach: z.boolean().optional().meta({
      description:
        'Answer as a stream of JSON lines that stays open. The clearance lives no longer than the connection: when it closes, the change is undone.',
    }),
  })
  .meta({ id: 'MutationAsk' });

export const FenceBody = z.strictObject({ fence }).meta({ id: 'FenceBody' });
export const RollbackBody = z
  .strictObject({ fence: fence.optional(), reason: z.string().max(2000).optional() })
  .meta({ id: 'RollbackBody', description: 'With a fence the holder asks, without one an operator.' });
export const ResolveBody = z.strictObject({ choice: z.enum(['commit', 'rollback']) }).meta({ id: 'ResolveBody' });
export const PinBody = z.strictObject({ pinned: z.boolean() }).meta({ id: 'PinBody' });
export const PruneBody = z.strictObject({ dryRun: z.boolean().optional() }).meta({ id: 'PruneBody' });
export const SealBody = z
  .strictObject({ dataset: z.string().min(1).max(4096), sealed: z.boolean() })
  .meta({ id: 'SealBody' });

/** A request of which the answer was lost can be sent again: under the same key it is the same request. */
export const IdempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .optional()
    .meta({ description: 'Sent again with the same key and body, the request is answered as it was the first time.' }),
});
export const EventsHeaders = z.looseObject({
  'last-event-id': z.string().optional().meta({ description: 'Resume after this event; goes before `after`.' }),
});

export const MutationQuery = z.strictObject({
  node: z.string().max(256).optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  outcome: stage.optional(),
  limit: z.coerce.number().int().min(1).max(1000).optional(),
  before: mutationId.optional(),
});
export const MutationParams = z.strictObject({ id: mutationId });
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
  mutation: mutationId.optional().meta({ description: 'Only about this mutation.' }),
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

const dataset = z.object({
  name: z.string(),
  driver: z.string(),
  at: z.string().optional().meta({ description: 'Where its files are, when the name does not say.' }),
});
export const MutationView = z
  .object({
    mutation: mutationId,
    node: z.string(),
    intent: z.string(),
    datasets: z.array(dataset),
    mode: z.enum(['standard', 'critical']),
    stage,
    requestedAt: time,
    clearedAt: time.optional(),
    expiresAt: time.optional(),
    endedAt: time.optional(),
    fence: z.int().optional(),
    onExpiry: z.enum(['rollback', 'quarantine']),
    recursive: z.boolean().optional(),
    snapshots: z.array(
      z.object({
        name: z.string(),
        dataset: z.string(),
        driver: z.string(),
        guid: z.string(),
        txg: z.string().optional(),
      }),
    ),
    evidence: z.array(z.object({ name: z.string(), dataset: z.string(), path: z.string() })),
    reason: refusal.optional(),
    pinned: z.boolean(),
    rebuilt: z
      .boolean()
      .optional()
      .meta({ description: 'Restored from what the storage told, after the ledger was lost.' }),
  })
  .meta({ id: 'Mutation' });

export const RecordView = z
  .object({ seq: z.int(), at: time, type: z.string(), hash: z.string(), event: z.record(z.string(), z.unknown()) })
  .meta({ id: 'Record' });

export const MutationDetail = z
  .object({ ...MutationView.shape, records: z.array(RecordView) })
  .meta({ id: 'MutationDetail' });

export const MutationList = z.object({ mutations: z.array(MutationView) }).meta({ id: 'MutationList' });

const changes = { added: z.array(z.string()), modified: z.array(z.string()), removed: z.array(z.string()) };
export const DiffView = z
  .object({ datasets: z.array(z.object({ dataset: z.string(), comparedWith: z.string(), ...changes })) })
  .meta({ id: 'Diff' });

export const PlanView = z
  .object({
    plans: z.array(
      z.object({
        dataset: z.string(),
        snapshot: z.string(),
        changes: z.object(changes),
        openFiles: z.array(z.object({ pid: z.int(), command: z.string(), path: z.string() })),
        blockers: z.array(z.object({ kind: z.string(), name: z.string(), why: z.string() })),
        steps: z.array(z.string()),
      }),
    ),
  })
  .meta({ id: 'RollbackPlan' });

export const KeptView = z
  .object({
    kind: z.enum(['snapshot', 'evidence']),
    name: z.string(),
    dataset: z.string(),
    driver: z.string(),
    mutation: z.string(),
    node: z.string(),
    intent: z.string(),
    createdAt: time,
    stage: stage.optional(),
    pinned: z.boolean(),
    path: z.string().optional(),
    bytes: z.number().optional(),
  })
  .meta({ id: 'Kept' });
export const KeptList = z.object({ kept: z.array(KeptView) }).meta({ id: 'KeptList' });

export const LockList = z
  .object({ locks: z.array(z.object({ ...MutationView.shape, blockedBy: z.array(mutationId) })) })
  .meta({ id: 'LockList' });

export const PruneView = z
  .object({
    dryRun: z.boolean(),
    going: z.array(z.object({ kind: z.string(), name: z.string(), mutation: z.string(), why: z.string() })),
    freesBytes: z.number().optional().meta({ description: 'What it frees, where the storage can tell.' }),
  })
  .meta({ id: 'Prune' });

export const SealView = z.object({ dataset: z.string(), driver: z.string(), sealed: z.boolean() }).meta({ id: 'Seal' });

const Findings = z
  .object({
    unknown: z.object({ count: z.int(), names: z.array(z.string()) }),
    missing: z.object({ count: z.int(), snapshots: z.array(z.object({ name: z.string(), mutation: mutationId })) }),
  })
  .meta({
    id: 'Findings',
    description:
      'Where ledger and storage contradicted one another when the controller started: what the ledger does not know, and what it relies on that is gone. The newest are named.',
  });

export const StatusView = z
  .object({
    status: z.literal('ready'),
    node: z.string(),
    version: z.string(),
    pid: z.int(),
    startedAt: time,
    memoryBytes: z.int(),
    open: z.array(MutationView),
    queued: z.int(),
    outcomes: z.partialRecord(stage, z.int()),
    seals: z.array(SealView),
    ledger: z.object({ records: z.int(), head: z.string() }),
    findings: Findings,
    webhooks: z
      .object({ active: z.int(), retrying: z.int(), disabled: z.int(), dead: z.int() })
      .optional()
      .meta({ description: 'How many stand how, and how many events were given up; not there without any.' }),
  })
  .meta({ id: 'Status' });

export const Health = z.object({ status: z.string() }).meta({ id: 'Health' });

export type EventsQuery = z.infer<typeof EventsQuery>;
export type WebhookAsk = z.infer<typeof WebhookAsk>;
export type WebhookView = z.infer<typeof WebhookView>;
export type WebhookAdded = z.infer<typeof WebhookAdded>;
export type WebhookList = z.infer<typeof WebhookList>;
export type DeadList = z.infer<typeof DeadList>;
export type RetryView = z.infer<typeof RetryView>;
export type Cleared = z.infer<typeof Cleared>;
export type Denied = z.infer<typeof Denied>;
export type Problem = z.infer<typeof Problem>;
export type MutationAsk = z.infer<typeof MutationAsk>;
export type MutationView = z.infer<typeof MutationView>;
export type MutationDetail = z.infer<typeof MutationDetail>;
export type MutationList = z.infer<typeof MutationList>;
export type RecordView = z.infer<typeof RecordView>;
export type DiffView = z.infer<typeof DiffView>;
export type PlanView = z.infer<typeof PlanView>;
export type KeptView = z.infer<typeof KeptView>;
export type KeptList = z.infer<typeof KeptList>;
export type LockList = z.infer<typeof LockList>;
export type PruneView = z.infer<typeof PruneView>;
export type SealView = z.infer<typeof SealView>;
export type StatusView = z.infer<typeof StatusView>;

/** Lines of an attached stream after the first: the clearance is no longer what it was. */
export interface Revoked {
  readonly status: 'revoked';
  readonly stage: z.infer<typeof stage>;
  readonly code: Code;
  readonly message: string;
  readonly hint: string;
}
