import { resolve } from 'node:path';

import { nodeHomeFrom } from './home.ts';
import { nodeFolder } from '../vault/layout.ts';
import { readNodeConfig } from './node-config.ts';
import { nodeHomeAt, servedHome } from './node-home.ts';

/**
 * The spool of a node, where it can be reached from here: what was named, or what a node.yaml of this machine says.
 *
 * @returns undefined when nobody says
 */
export async function spoolOf(node: string, named: string | undefined): Promise<string | undefined> {
  if (named !== undefined) return resolve(named);
  const home = nodeHomeAt(nodeHomeFrom(process.env));
  for (const one of [servedHome(home, node), home]) {
    const config = await readNodeConfig(one.config);
    const isIts = config.node === node || (config.node === undefined && one !== home);
    if (!isIts) continue;
    if (config.spool !== undefined) return config.spool;
    if (config.vault !== undefined) return nodeFolder(config.vault.mount, node);
  }
  return undefined;
}
