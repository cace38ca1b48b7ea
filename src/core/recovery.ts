import { refusal } from '../base/refusal.ts';
import type { Command } from './command.ts';
import type { EventBody } from './event.ts';
import type { Stage } from './mutation/mutation.ts';
import { sealedDataset } from './seal/seal.ts';
import { sealStarted } from './seal/sealing.ts';
import type { Policy } from './policy/policy.ts';
import type { State } from './state.ts';

/** Half-way to a grant. A barrier does not outlive its controller: nobody else knows who has said what. */
const UNGRANTED: ReadonlySet<Stage> = new Set(['halting', 'snapshotting', 'verifying']);

/**
 * The controller is back. Who waited is told to ask again; a clearance stands for a whole lease more, but a caller that hung on a
 * connection must come back soon; everything half-done is pending by its stage and goes on from there. Seals are put on again,
 * since nobody knows what happened to them meanwhile.
 */
export function recover(state: State, command: Extract<Command, { type: 'start' }>, policy: Policy): EventBody[] {
  const { version, node, fenceFloor, namedFloor } = command;
  const events: EventBody[] = [
    {
      type: 'controller_started',
      version,
      node,
      leases: 'whole',
      ...(fenceFloor === undefined ? {} : { fenceFloor }),
      ...(namedFloor === undefined ? {} : { namedFloor }),
    },
  ];
  const reason = refusal('controller_restarted', 'The controller was restarted while the request waited.');
  for (const mutation of state.mutations.values()) {
    if (mutation.stage === 'queued') events.push({ type: 'denied', mutation: mutation.id, reason });
    if (UNGRANTED.has(mutation.stage)) {
      events.push({ type: 'withdraw_started', mutation: mutation.id, into: 'denied', reason });
    }
    if (mutation.stage === 'cleared' && mutation.attached) {
      events.push({ type: 'holder_lost', mutation: mutation.id, untilMs: policy.reattachMs });
    }
  }
  for (const seal of state.seals) {
    if (seal[1].wanted) events.push(sealStarted(sealedDataset(seal), true));
  }
  return events;
}
