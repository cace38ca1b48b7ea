import type { MutationId } from '../../core/mutation/mutation.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Heartbeat } from '../../ports/mesh.ts';
import type { Controller } from '../controller.ts';
import type { Mesh } from './mesh.ts';

/** Share of a lease that may go by before a heartbeat renews it: each renewal is a durable record, and heartbeats are many. */
const SHARE_UNRENEWED = 1 / 3;

/**
 * Leases ride on heartbeats: each clearance a node says it holds is renewed when a third of its time has gone. Only the node's own, and
 * only with the token it was cleared with; whatever else a heartbeat claims changes nothing, and the lease it meant runs out.
 *
 * @returns what ends it
 */
export function renewByHeartbeat(mesh: Mesh, controller: Controller, clock: Clock): () => void {
  const underWay = new Set<MutationId>();
  const renew = async (id: MutationId, fence: number): Promise<void> => {
    underWay.add(id);
    try {
      // Refused when it has ended meanwhile: then there is nothing to keep.
      await controller.renew(id, fence);
    } finally {
      underWay.delete(id);
    }
  };
  return mesh.subscribe((node, { leases }: Heartbeat) => {
    const mono = clock.mono();
    for (const { mutation: id, fence } of leases) {
      const mutation = controller.engine.state.mutations.get(id);
      if (mutation?.stage !== 'cleared' || mutation.node !== node || mutation.fence !== fence) continue;
      const { ttlMs, expiresMono = mono } = mutation;
      const goneMs = ttlMs - (expiresMono - mono);
      if (goneMs < ttlMs * SHARE_UNRENEWED || underWay.has(id)) continue;
      void renew(id, fence).catch(() => undefined);
    }
  });
}
