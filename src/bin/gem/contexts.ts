import { existsSync } from 'node:fs';

import { refusal, RefusedError } from '../../base/refusal.ts';
import { readConfig } from '../config.ts';
import { homeFrom, nodeHomeFrom } from '../home.ts';
import { readNodeConfig } from '../node-config.ts';
import { nodeHomeAt, servedHome } from '../node-home.ts';

/** How a node is reached from this host, as somebody has said; undefined: nobody has. Never guessed from its name. */
export type ContextOf = (node: string) => Promise<string | undefined>;

/**
 * In this order: `--via`, `nodes: NAME: via:` of HAUKI_HOME's config.yaml, `via:` in the node's own node.yaml on this host. The node that this
 * host itself is, by its node.yaml, is here.
 *
 * @param said `crm=lxd:hauki-crm`, or a context for every node
 * @throws RefusedError `usage`
 */
export function contexts(said: readonly string[], env: NodeJS.ProcessEnv): ContextOf {
  const named = new Map<string | undefined, string>();
  for (const text of said) {
    const [, node, context = ''] = /^(?:([^=:]+)=)?(.+)$/s.exec(text) ?? [];
    if (context === '' || named.has(node)) {
      const hint = 'Write --via NODE=CONTEXT once for each node, or a single --via CONTEXT.';
      throw new RefusedError(refusal('usage', `--via ${JSON.stringify(text)} is not understood.`, hint));
    }
    named.set(node, context);
  }
  const ofController = readConfig(homeFrom(env).config).contexts;
  const own = nodeHomeAt(nodeHomeFrom(env));
  return async (node) => {
    const asked = named.get(node) ?? named.get(undefined) ?? ofController[node];
    if (asked !== undefined) return asked;
    const served = servedHome(own, node);
    if (existsSync(served.config)) return (await readNodeConfig(served.config)).via;
    if (!existsSync(own.config)) return undefined;
    const { node: name, via } = await readNodeConfig(own.config);
    return name === node ? (via ?? 'local') : undefined;
  };
}
