import { refusal, RefusedError } from '../../base/refusal.ts';
import type { Log } from '../../ports/log.ts';
import { type Identity, startNodes } from '../node-process.ts';
import { nodeHomeFrom } from '../home.ts';
import { type NodeHome, nodeHomeAt, servedHome } from '../node-home.ts';
import { nodesStatus, nodesTurn } from '../node-status.ts';
import { slimWhenStarted } from '../slim.ts';
import { openSupervision } from '../supervision.ts';
import { lineLog } from '../line-log.ts';
import { nodeName } from './asking.ts';

export interface NodeRunOptions {
  readonly serve?: string;
  readonly via?: string;
}

/** `hauki node run`: until a signal comes. @returns the exit code */
export async function nodeRun({ serve, via }: NodeRunOptions): Promise<number> {
  const home = nodeHomeAt(nodeHomeFrom(process.env));
  const { manager, sink } = await openSupervision();
  const log: Log = lineLog(process.env['HAUKI_LOG'] || 'info', sink);
  const identities = identitiesOf(home, serve).map((one) => ({ ...one, ...(via === undefined ? {} : { via }) }));
  // Before anything is frozen that would have to be thawed.
  const signalled = new Promise<string>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
  });
  const { nodes, stop } = await startNodes(home, identities, log);
  log.info({ nodes: nodes.map(({ name }) => name), home: home.root, pid: process.pid }, 'ready');
  manager.ready(() => nodesStatus(nodes), nodesTurn(nodes));
  slimWhenStarted();
  const signal = await signalled;
  manager.stopping();
  log.info({ signal }, 'stopping');
  await stop();
  return 0;
}

function identitiesOf(home: NodeHome, names: string | undefined): Identity[] {
  if (names === undefined) return [{ home, name: nodeName() }];
  const all = names.split(',').map((name) => name.trim());
  if (new Set(all).size !== all.length || all.includes('')) {
    throw new RefusedError(
      refusal('usage', `"${names}" is not a list of nodes.`, 'Write each name once: crm,billing.'),
    );
  }
  return all.map((name) => ({ home: servedHome(home, name), name }));
}
