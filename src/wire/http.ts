import * as z from 'zod';
import { type Code, CODE_NAMES } from '../base/codes.ts';
import { parseDuration } from '../base/duration.ts';
import { STAGES } from '../core/mutation/mutation.ts';
import { datasetName } from './dataset-name.ts';

/**
 * The HTTP contract: schemas, from which types, validation and OpenAPI follow. Times are ISO 8601 in UTC, durations text with a
 * unit (`10m`), sizes bytes. Requests refuse members they do not know; answers may gain members.
 */

const code = z.enum(CODE_NAMES).meta({ description: 'See docs/errors.md.' });
const duration = z
  .string()
  .regex(/^(\d+(\.\d+)?(ms|s|m|h|d))+$/, 'a duration with its unit, such as 500ms, 30s, 10m or 1h30m')
  .refine((text) => parseDuration(text).ok, 'a duration that can be counted in milliseconds')
  .meta({ examples: ['30s', '10m'] });
const time = z.iso.datetime();
const fence = z.int().min(1).meta({ description: 'The fencing token the clearance came with.' });
const mutationId = z.string().min(1).max(64);
const stage = z.enum(STAGES);

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
      .array(datasetName)
      .max(64)
      .meta({ description: 'Absolute paths, or dataset names. None, in critical mode: those of the configuration.' }),
    node: z.string().max(256).optional(),
    mode: z.enum(['standard', 'critical']).optional(),
    ttl: duration.optional().meta({ description: 'Length of the lease; 10m.' }),
    wait: duration.optional().meta({ description: 'How long to wait for the locks; 30s.' }),
    onExpiry: z.enum(['rollback', 'quarantine']).optional(),
    recursive: z
      .boolean()
      .optional()
      .meta({ description: 'With every dataset inside those named, all of one moment (ZFS).' }),
    hold: z
      .boolean()
      .optional()
      .meta({ description: 'Critical mode: every node stays halted until the mutation has ended.' }),
    allowMissing: z.array(z.string().min(1).max(63)).max(1000).optional().meta({
      description: 'Critical mode: nodes that need not be halted. Any other that is not heard of denies the barrier.',
    }),
    flush: duration.optional().meta({ description: 'Critical mode: how long the nodes have for their flush; 30s.' }),
    task: z.string().min(1).max(255).optional().meta({ description: 'The file name of the task this is for.' }),
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
export const SealBody = z.strictObject({ dataset: datasetName, sealed: z.boolean() }).meta({ id: 'SealBody' });

/**
 * A request of which the answer was lost can be sent again: under the same key it is the same request. A traceparent that cannot be read
 * is ignored.
 */
export const AskHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .optional()
    .meta({ description: 'Sent again with the same key and body, the request is answered as it was the first time.' }),
  traceparent: z
    .string()
    .optional()
    .meta({ description: 'W3C Trace Context: kept with the mutation, and told in its events.' }),
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
    hold: z.boolean().optional(),
    task: z.string().optional(),
    traceparent: z.string().optional().meta({ description: 'The trace it was asked for in (W3C Trace Context).' }),
    participants: z.array(z.string()).optional().meta({ description: 'Critical mode: the nodes its barrier halts.' }),
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

export const BarrierView = z
  .object({
    epoch: z.int(),
    intent: z.string(),
    phase: z.enum(['flushing', 'frozen', 'proving', 'resuming']).meta({
      description:
        'flushing: waits for the nodes; frozen: all are halted; proving, resuming: the snapshot is taken, and the nodes are asked whether they stayed halted for it.',
    }),
    forMs: z.int(),
    answered: z.array(z.object({ node: z.string(), flushedMs: z.number().optional() })),
    awaited: z.array(z.string()),
    broken: z.array(z.object({ node: z.string(), why: z.string() })),
  })
  .meta({ id: 'Barrier' });
export const BarrierList = z.object({ barriers: z.array(BarrierView) }).meta({ id: 'BarrierList' });

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

export const SealView = z
  .object({
    dataset: z.string(),
    driver: z.string(),
    sealed: z.boolean(),
    settled: z.boolean().meta({ description: 'Whether the storage has done it; until then it is tried.' }),
  })
  .meta({ id: 'Seal' });

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
    irc: z
      .object({
        connected: z.boolean(),
        nick: z.string(),
        dropped: z.int().meta({ description: 'Lines not said: no connection, or too much waited.' }),
        unanswered: z.int().meta({ description: 'Questions not answered, because too many were asked.' }),
        ignored: z
          .record(z.string(), z.int())
          .meta({ description: 'Lines of the control channel that were ignored, by why: forged, replayed, old, …' }),
      })
      .optional(),
    webhooks: z
      .object({ active: z.int(), retrying: z.int(), disabled: z.int(), dead: z.int() })
      .optional()
      .meta({ description: 'How many stand how, and how many events were given up; not there without any.' }),
  })
  .meta({ id: 'Status' });

export const Health = z.object({ status: z.string() }).meta({ id: 'Health' });

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
export type BarrierView = z.infer<typeof BarrierView>;
export type BarrierList = z.infer<typeof BarrierList>;
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
