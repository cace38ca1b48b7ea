import * as z from 'zod';
import { CODES, type Code } from '../base/codes.ts';

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
    code: z.enum(Object.keys(CODES) as [Code, ...Code[]]),
    message: z.string().max(2_000),
  })
  .meta({ id: 'TaskDenied', description: 'A node denied a task before anybody was asked: to be put on record.' });
export const TaskNoted = z.object({ noted: z.literal(true) }).meta({ id: 'TaskNoted' });

export type TaskList = z.infer<typeof TaskList>;
export type TaskDenied = z.infer<typeof TaskDenied>;
