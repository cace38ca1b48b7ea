import type { Code } from '../../base/codes.ts';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { checkFence } from '../../core/lease/lease.ts';
import type { Mutation, MutationId } from '../../core/mutation/mutation.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Heartbeat } from '../../ports/mesh.ts';
import type { Controller as Whole } from '../controller.ts';
import type { Mesh } from './mesh.ts';

type Controller = Pick<Whole, 'engine' | 'renew' | 'attach'>;

/** Share of a lease that may go by before a heartbeat renews it: each renewal is a durable record, and heartbeats are many. */
const SHARE_UNRENEWED = 1 / 3;
/** Whoever is told one of these has no clearance. Any other refusal (a full disk, a controller that stops) says nothing about it. */
const OVER: ReadonlySet<Code> = new Set<Code>(['mutation_unknown', 'fence_stale', 'lease_lost', 'forbidden']);

/**
 * Leases ride on heartbeats: each clearance a node says it holds is renewed when a third of its time has gone. Only the node's own, and
 * only with the token it was cleared with. The node is answered for each that it named: how long it lasts, or that it is lost.
 *
 * @returns what ends it
 */
export function renewByHeartbeat(mesh: Mesh, controller: Controller, clock: Clock): () => void {
  const underWay = new Set<MutationId>();
  const lost = (node: string, id: MutationId, fence: number, { message }: Refusal): void =>
    mesh.tell(node, { type: 'lease_lost', mutation: id, fence, words: message });
  const lasts = (node: string, seq: number, { id, fence = 0, expiresMono = 0 }: Mutation): void => {
    const lastsMs = Math.floor(expiresMono - clock.mono());
    if (lastsMs > 0) mesh.tell(node, { type: 'renewed', mutation: id, fence, seq, lastsMs });
  };
  const renew = async (node: string, seq: number, id: MutationId, fence: number): Promise<void> => {
    underWay.add(id);
    try {
      // After a restart of the controller: whose process speaks is no lost holder.
      await controller.attach(id, fence);
      const renewed = await controller.renew(id, fence);
      if (renewed.ok) lasts(node, seq, renewed.value);
      else if (OVER.has(renewed.error.code)) lost(node, id, fence, renewed.error);
    } finally {
      underWay.delete(id);
    }
  };
  return mesh.subscribe((node, { seq, leases }: Heartbeat) => {
    for (const { mutation: id, fence } of leases) {
      const held = heldBy(node, fence, id, controller.engine.state.mutations.get(id));
      if (!held.ok) {
        lost(node, id, fence, held.error);
        continue;
      }
      const mutation = held.value;
      const { ttlMs, expiresMono = 0 } = mutation;
      const goneMs = ttlMs - (expiresMono - clock.mono());
      const missed = mutation.holderLostUntilMono !== undefined;
      if (goneMs < ttlMs * SHARE_UNRENEWED && !missed) lasts(node, seq, mutation);
      else if (!underWay.has(id)) void renew(node, seq, id, fence).catch(() => undefined);
    }
  });
}

function heldBy(
  node: string,
  fence: number,
  id: MutationId,
  mutation: Mutation | undefined,
): Result<Mutation, Refusal> {
  if (mutation === undefined) return err(refusal('mutation_unknown', `There is no open mutation ${id}.`));
  if (mutation.node !== node) return err(refusal('forbidden', `Mutation ${id} is not of node ${node}.`));
  const fenced = checkFence(mutation, fence);
  return fenced.ok ? ok(mutation) : fenced;
}
