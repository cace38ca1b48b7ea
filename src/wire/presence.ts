import * as z from 'zod';
import type { Heartbeat } from '../ports/mesh.ts';
import { iso } from './view.ts';

const time = z.iso.datetime();

/** How a node was heard last. A controller knows of nobody until they speak, which they do every few seconds. */
export const PresenceView = z
  .object({
    liveness: z.enum(['live', 'late', 'lost']),
    since: time.meta({ description: 'Since when it is live, late or lost.' }),
    heardAt: time,
    carrier: z.string().meta({ description: 'What brought its last heartbeat: link, irc.' }),
    state: z.enum(['running', 'flushing', 'halted']),
    epoch: z.int().meta({ description: 'The newest barrier it knows of; 0: none.' }),
    held: z.boolean().optional(),
    why: z.string().optional(),
    boot: z.string().meta({ description: 'Of this run of its process.' }),
    seq: z.int(),
    version: z.string(),
    uptimeMs: z.number(),
    task: z.string().optional(),
    load: z.number(),
    memoryBytes: z.int(),
  })
  .meta({ id: 'Presence' });
export type PresenceView = z.infer<typeof PresenceView>;

export function presenceView(heard: {
  readonly liveness: PresenceView['liveness'];
  readonly since: number;
  readonly heardAt: number;
  readonly carrier: string;
  readonly heartbeat: Heartbeat;
}): PresenceView {
  const { liveness, since, heardAt, carrier, heartbeat } = heard;
  const { pulse, seq, version, uptimeMs, task, load, memoryBytes } = heartbeat;
  const { boot, state, epoch, held, why } = pulse;
  return {
    ...{ liveness, since: iso(since), heardAt: iso(heardAt), carrier },
    ...{ state, epoch, boot, seq, version, uptimeMs, load, memoryBytes },
    ...(held === undefined ? {} : { held }),
    ...(why === undefined ? {} : { why }),
    ...(task === undefined ? {} : { task }),
  };
}
