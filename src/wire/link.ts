import * as z from 'zod';
import { CODE_NAMES } from '../base/codes.ts';
import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Order } from '../core/barrier/message.ts';
import type { Heartbeat, LeaseWord, TaskPiece } from '../ports/mesh.ts';
import { TaskDrop } from './tasks.ts';

/**
 * Messages between a controller and its nodes: one JSON document each, a WebSocket frame on the link, a signed line on IRC. Who sent
 * one is known by what carried it (the certificate, the signature), never by what it says.
 *
 * Members that are not known are ignored, so that a newer side can say more; a `type` that is not known is an error to the receiver.
 */

const epoch = z.int().min(0);
const count = z.int().min(0);
const words = z.string().max(1_024);

const halt = z.object({
  type: z.literal('halt'),
  epoch,
  order: count,
  forMs: z.int().min(1).max(86_400_000),
  intent: words,
});
const resume = z.object({ type: z.literal('resume'), epoch, order: count });
/** To a node: something to do now that is no part of a barrier. See NodeAsk. */
const command = z.discriminatedUnion('verb', [
  z.object({ type: z.literal('command'), id: z.string().max(64), verb: z.enum(['ping', 'thaw', 'poll']) }),
  z.object({ type: z.literal('command'), id: z.string().max(64), verb: z.literal('drop'), drop: TaskDrop }),
]);

/** To a node: what became of a clearance that its heartbeat named. */
const renewed = z.object({
  type: z.literal('renewed'),
  mutation: z.string().min(1).max(64),
  fence: count,
  seq: count,
  lastsMs: z
    .int()
    .min(0)
    .max(366 * 86_400_000),
});
const leaseLost = z.object({
  type: z.literal('lease_lost'),
  mutation: z.string().min(1).max(64),
  fence: count,
  words,
});

const pulse = z.object({
  boot: z.string().min(1).max(64),
  state: z.enum(['running', 'flushing', 'halted']),
  epoch,
  ack: count,
  held: z.boolean().optional(),
  why: words.optional(),
  flushMs: z.number().min(0).optional(),
});
const heartbeat = z.object({
  type: z.literal('heartbeat'),
  seq: count,
  everyMs: count.optional(),
  pulse,
  version: z.string().max(64),
  at: z.number(),
  uptimeMs: z.number().min(0),
  task: words.optional(),
  load: z.number().min(0),
  memoryBytes: count,
  leases: z.array(z.object({ mutation: z.string().min(1).max(64), fence: count })).max(256),
});
/** A node's answer to a command. */
const answer = z.object({
  type: z.literal('answer'),
  id: z.string().max(64),
  ok: z.boolean(),
  words: words.optional(),
  // A newer node may have codes that this controller does not know.
  refusal: z.object({ code: z.enum(CODE_NAMES).catch('internal'), message: words, hint: words }).optional(),
});

/** What a node's tasks say and how they stand, as it happens. Bounded by the node; what is lost stands in the task's log. */
const output = z.object({
  type: z.literal('output'),
  pieces: z
    .array(
      z.object({
        task: z.string().min(1).max(255),
        mutation: z.string().max(64).optional(),
        state: z.enum(['running', 'done', 'failed', 'denied']).optional(),
        words: words.optional(),
        text: z.string().max(16_000).optional(),
        /** So many characters after `text` are not told. */
        leftOut: count.optional(),
      }),
    )
    .max(64),
});

const ToNode = z.discriminatedUnion('type', [halt, resume, command, renewed, leaseLost]);
const ToController = z.discriminatedUnion('type', [heartbeat, answer, output]);

export type NodeCommand = z.infer<typeof command>;
export type NodeAnswer = z.infer<typeof answer>;
export interface TaskOutput {
  readonly type: 'output';
  readonly pieces: readonly TaskPiece[];
}
export type MessageToNode = Order | NodeCommand | LeaseWord;
export type MessageToController = ({ readonly type: 'heartbeat' } & Heartbeat) | NodeAnswer | TaskOutput;

/** @param text one frame or line; junk is refused, never thrown */
export function readToNode(text: string): Result<MessageToNode, Refusal> {
  return read(ToNode, text);
}

/** @param text one frame or line; junk is refused, never thrown */
export function readToController(text: string): Result<MessageToController, Refusal> {
  return read(ToController, text) as Result<MessageToController, Refusal>;
}

export function writeMessage(message: MessageToNode | MessageToController): string {
  return JSON.stringify(message);
}

function read<T>(schema: z.ZodType<T>, text: string): Result<T, Refusal> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err(refusal('body_invalid', 'The message is no JSON.'));
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  return err(
    refusal('body_invalid', `The message is not understood: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`),
  );
}
