import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { RefusedError } from '../base/refusal.ts';
import type { MeshRoute } from '../client/transport.ts';
import { nodeRefusal } from '../core/policy/policy.ts';
import { openNodeDoor } from '../node/door.ts';
import { runHere } from '../node/halting/process.ts';
import { type ControllerAddress, dialInTurn } from '../node/link/dial.ts';
import { Link } from '../node/link/link.ts';
import { MeshNode } from '../node/node.ts';
import type { OpenUplink } from '../node/uplink.ts';
import type { Log } from '../ports/log.ts';
import { routeToUrl } from '../trust/route.ts';
import { systemClock } from './clock.ts';
import { bindable, homeFrom } from './home.ts';
import { type NodeConfig, readNodeConfig } from './node-config.ts';
import type { NodeHome } from './node-home.ts';
import { VERSION } from './version.ts';

/** One identity that a node process takes on. */
export interface Identity {
  readonly home: NodeHome;
  /** Its name, where its folder does not tell. */
  readonly name?: string;
}

export interface NodeProcess {
  readonly nodes: readonly MeshNode[];
  readonly stop: () => Promise<void>;
}

/**
 * Runs nodes in this process, behind one local door.
 *
 * @param home where the door is
 * @throws RefusedError `usage` for a configuration that cannot be used, `home_locked` when another process serves it
 */
export async function startNodes(home: NodeHome, identities: readonly Identity[], log: Log): Promise<NodeProcess> {
  const configs = identities.map((identity) => ({ ...identity, config: readNodeConfig(identity.home.config) }));
  mkdirSync(home.root, { recursive: true, mode: 0o700 });
  const nodes: MeshNode[] = [];
  const closeDoor = await openNodeDoor(bindable(home.socket), VERSION, () => nodes);
  try {
    for (const { home: own, name: fallback, config } of configs) {
      const name = config.node ?? fallback ?? '';
      const refused = nodeRefusal(name);
      if (refused !== undefined) throw new RefusedError(refused);
      const heartbeatFile = config.heartbeat ?? own.heartbeat;
      mkdirSync(dirname(heartbeatFile), { recursive: true, mode: 0o700 });
      const said = naming(log, name);
      nodes.push(
        await MeshNode.start({
          name,
          version: VERSION,
          boot: randomUUID(),
          controller: whereController(config),
          uplinks: await uplinksOf(name, own, config, said),
          flush: config.flush,
          run: runHere,
          freeze: config.freeze,
          freezeMsMax: config.freezeMsMax,
          heartbeatFile,
          frozenFile: own.frozen,
          clock: systemClock,
          log: said,
        }),
      );
    }
  } catch (error) {
    await stopAll(nodes);
    await closeDoor();
    throw error;
  }
  return {
    nodes,
    stop: async () => {
      await stopAll(nodes);
      await closeDoor();
      rmSync(home.socket, { force: true });
    },
  };
}

async function stopAll(nodes: readonly MeshNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop()));
}

/** For people, and to tell one controller from another: barriers of each are numbered anew. */
function whereController({ link, irc, ...config }: NodeConfig): string {
  if (!link && irc !== undefined) return `irc://${irc.server}:${irc.port}/${irc.channel}`;
  return controllersIn(config).join(', ');
}

function controllersIn({ controllers }: Pick<NodeConfig, 'controllers'>): readonly string[] {
  return controllers.length > 0 ? controllers : [`unix:${homeFrom(process.env).socket}`];
}

async function uplinksOf(name: string, home: NodeHome, config: NodeConfig, log: Log): Promise<OpenUplink[]> {
  const uplinks: OpenUplink[] = [];
  if (config.link) {
    const dial = dialInTurn(controllersIn(config).map((words) => addressOf(words, name, home)));
    uplinks.push((ears) => new Link({ ...ears, dial, clock: systemClock, random: Math.random, log }));
  }
  if (config.irc !== undefined) {
    const { ircUplink } = await import('./node-irc.ts');
    uplinks.push(ircUplink({ config: config.irc, home: home.root, node: name, log }));
  }
  return uplinks;
}

/** An operator may speak for any node, and says for which; elsewhere the certificate says it. */
function addressOf(words: string, node: string, home: NodeHome): ControllerAddress {
  const headers = { 'hauki-node': node };
  if (words.startsWith('unix:')) {
    let path: string | undefined;
    const socketPath = (): string => (path ??= bindable(words.slice('unix:'.length)));
    return { words, socketPath, url: new URL('http://controller'), headers };
  }
  const url = new URL(words.includes('://') ? words : `https://${words}`);
  if (url.protocol === 'http:') {
    const token = process.env['HAUKI_TOKEN'];
    return { words, url, headers: { ...headers, ...(token ? { authorization: `Bearer ${token}` } : {}) } };
  }
  // Read at each connection: a rotation brings a new certificate while the node runs. Now to see that there is one.
  const tls = (): MeshRoute['tls'] => routeToUrl(url, undefined, home.root).tls;
  tls();
  return { words, url, tls };
}

function naming(log: Log, node: string): Log {
  return {
    info: (fields, message) => log.info({ node, ...fields }, message),
    warn: (fields, message) => log.warn({ node, ...fields }, message),
    error: (fields, message) => log.error({ node, ...fields }, message),
  };
}
