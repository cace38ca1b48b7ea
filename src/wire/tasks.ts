import * as z from 'zod';
import { CODE_NAMES } from '../base/codes.ts';
import { DROP_BYTES_MAX } from '../core/task/limits.ts';

/** The HTTP contract of nodes' tasks. */

const taskName = z.string().min(1).max(255);
const state = z.enum(['running', 'done', 'failed', 'denied']);

export const TaskParams = z.object({ name: z.string().max(300), task: taskName });
export const TaskQuery = z.strictObject({
  follow: z.enum(['true', 'false']).optional().meta({ description: 'Stay until the task has ended; true.' }),
});
export const TaskList = z
  .object({
    tasks: z.array(
      z.object({
        task: z.string(),
        state,
        mutation: z.string().optional(),
        words: z.string().optional(),
        heardAt: z.iso.datetime(),
      }),
    ),
  })
  .meta({ id: 'TaskList', description: 'What was heard of since this controller started, the latest last.' });
export const TaskDenied = z
  .strictObject({
    node: z.string().max(256).optional(),
    task: taskName,
    code: z.enum(CODE_NAMES),
    message: z.string().max(2_000),
  })
  .meta({ id: 'TaskDenied', description: 'A node denied a task before anybody was asked: to be put on record.' });
const SIGNATURE_CHARACTERS_MAX = 16 * 1024;

export const TaskDrop = z
  .strictObject({
    task: taskName.meta({ description: 'What it is to be called.' }),
    content: z
      .base64()
      .max(4 * Math.ceil(DROP_BYTES_MAX / 3))
      .meta({ description: 'Its bytes, 128 KiB at most; base64.' }),
    // Plain text, which in JSON is hardly longer: the frame has its bound too.
    signature: z
      .string()
      .max(SIGNATURE_CHARACTERS_MAX)
      .regex(/^[\t\r\n -~]*$/)
      .optional()
      .meta({
        description: 'What `ssh-keygen -Y sign -n hauki-task` made of them. A node takes nothing this way without.',
      }),
  })
  .meta({ id: 'TaskDrop', description: "A task for a node's inbox." });
export const TaskDropped = z
  .object({ node: z.string(), task: z.string(), words: z.string().meta({ description: 'The answer of the node.' }) })
  .meta({ id: 'TaskDropped' });
export const TaskNoted = z.object({ noted: z.literal(true) }).meta({ id: 'TaskNoted' });

export type TaskList = z.infer<typeof TaskList>;
export type TaskDrop = z.infer<typeof TaskDrop>;
export type TaskDropped = z.infer<typeof TaskDropped>;
export type TaskDenied = z.infer<typeof TaskDenied>;
