import { existsSync } from 'node:fs';
import { formatDuration } from '../../base/duration.ts';
import { RefusedError } from '../../base/refusal.ts';
import { send, text } from '../../client/transport.ts';
import type { NodeProcessStatus, Thawed } from '../../node/door.ts';
import { bindable, nodeHomeFrom } from '../home.ts';
import { type NodeHome, nodeHomeAt } from '../node-home.ts';
import { oneLine, printJson, printText, table } from '../output.ts';

export interface ThawOptions {
  readonly json?: boolean;
}

/** `hauki node status`. @returns the exit code */
export async function nodeStatus({ json }: ThawOptions): Promise<number> {
  const status = await ask<NodeProcessStatus>(nodeHomeAt(nodeHomeFrom(process.env)), 'GET', '/v1/status');
  if (json) {
    printJson(status);
    return 0;
  }
  const anyVault = status.nodes.some(({ vault }) => vault !== undefined);
  const rows = status.nodes.map(({ node, controller, uplinks, frozen, vault, heartbeat: { pulse, uptimeMs } }) => [
    node,
    pulse.epoch === 0 ? pulse.state : `${pulse.state} (barrier ${pulse.epoch})`,
    uplinksInWords(uplinks),
    formatDuration(uptimeMs),
    frozen.length === 0 ? '-' : frozen.join(', '),
    ...(anyVault ? [vault?.state ?? '-'] : []),
    controller,
  ]);
  printText(table(['NODE', 'STATE', 'LINK', 'UP', 'FROZEN', ...(anyVault ? ['VAULT'] : []), 'CONTROLLER'], rows));
  for (const { node, vault } of status.nodes) if (vault?.why !== undefined) printText(`${node}: ${oneLine(vault.why)}`);
  return 0;
}

/** `linked`, `irc`, or both. */
function uplinksInWords(uplinks: NodeProcessStatus['nodes'][number]['uplinks']): string {
  const up = uplinks.filter((one) => one.up).map(({ name }) => (name === 'link' ? 'linked' : name));
  return up.length === 0 ? 'no link' : up.join(', ');
}

/** `hauki thaw`: by the node process, or without it when there is none. @returns the exit code */
export async function thaw({ json }: ThawOptions): Promise<number> {
  const home = nodeHomeAt(nodeHomeFrom(process.env));
  const { thawed } = await ask<Thawed>(home, 'POST', '/v1/thaw').catch(async (error: unknown): Promise<Thawed> => {
    const away = error instanceof RefusedError && error.refusal.code === 'controller_unreachable';
    if (!away) throw error;
    return (await import('../recover.ts')).recoverFrozen(home);
  });
  if (json) printJson({ thawed });
  else for (const { node, words } of thawed) printText(`${node} ${words}`);
  return 0;
}

async function ask<T>(home: NodeHome, method: 'GET' | 'POST', path: string): Promise<T> {
  const socketPath = existsSync(home.root) ? bindable(home.socket) : home.socket;
  const response = await send({ name: `unix:${home.socket}`, socketPath }, { method, path });
  return JSON.parse(await text(response)) as T;
}
