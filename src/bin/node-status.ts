import type { MeshNode, NodeStatus } from '../node/node.ts';

type Told = Pick<MeshNode, 'status'>;

/** What a node process is doing, in one line: `crm: running, linked to 10.0.0.5:7717`; of several, how many do. */
export function nodesStatus(nodes: readonly Told[]): string {
  const all = nodes.map(({ status }) => status);
  const [only] = all;
  if (only !== undefined && all.length === 1) return `${only.node}: ${standing(only)}`;
  const odd = all.filter((status) => !isLinked(status) || status.heartbeat.pulse.state !== 'running');
  const words = odd.map((status) => `${status.node} ${standing(status)}`);
  return `${all.length} nodes, ${all.length - odd.length} running and linked${words.length === 0 ? '' : `; ${words.join('; ')}`}`;
}

/** @returns whether each has made a heartbeat since this was last asked */
export function nodesTurn(nodes: readonly Told[]): () => boolean {
  const last = new Map<Told, number>();
  return () => {
    const turned = nodes.map((node) => {
      const { seq } = node.status.heartbeat;
      const before = last.get(node) ?? 0;
      last.set(node, seq);
      return seq > before;
    });
    return !turned.includes(false);
  };
}

function standing(status: NodeStatus): string {
  const { state, epoch } = status.heartbeat.pulse;
  const barrier = state === 'running' ? '' : ` (barrier ${epoch})`;
  const frozen = status.frozen.length === 0 ? '' : `, ${status.frozen.join(', ')} frozen`;
  return `${state}${barrier}${frozen}, ${isLinked(status) ? 'linked' : 'not linked'} to ${status.controller}`;
}

function isLinked({ uplinks }: NodeStatus): boolean {
  return uplinks.some(({ up }) => up);
}
