import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { RefusedError } from '../base/refusal.ts';
import type { MeshRoute } from '../client/transport.ts';
import { nodeRefusal } from '../core/policy/policy.ts';
import { openNodeDoor } from '../node/door.ts';
import { type Run, runHere } from '../node/halting/process.ts';
import { type ControllerAddress, dialInTurn } from '../node/link/dial.ts';
import { Link } from '../node/link/link.ts';
import { MeshNode } from '../node/node.ts';
import type { OpenUplink } from '../node/uplink.ts';
import type { Log } from '../ports/log.ts';
import type { Spool } from '../ports/spool.ts';
import { renewInTime } from '../trust/renewal.ts';
import { routeToUrl } from '../trust/route.ts';
import { systemClock } from './clock.ts';
import { bindable, homeFrom } from './home.ts';
import { type NodeConfig, readNodeConfig } from './node-config.ts';
import type { NodeHome } from './node-home.ts';
import type { OpenedTasks, TaskParts } from './node-tasks.ts';
import type { NodeVaults } from './node-vault.ts';
import { VERSION } from './version.ts';

/** One identity that a node process takes on. */
export interface Identity {
  readonly home: NodeHome;
  /** Its name, where its folder does not tell. */
  readonly name?: string;
  /** How its container of the same name is reached, where its folder does not tell: `lxd`. */
  readonly via?: string;
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
  const configured = await Promise.all(
    identities.map(async (identity) => ({ ...identity, config: await readNodeConfig(identity.home.config) })),
  );
  mkdirSync(home.root, { recursive: true, mode: 0o700 });
  const nodes: MeshNode[] = [];
  const renewals: (() => void)[] = [];
  // Its code is big, and most nodes have none.
  const vaults = configured.some(({ config }) => config.vault !== undefined)
    ? new (await import('./node-vault.ts')).NodeVaults(home.root, log)
    : undefined;
  const closeDoor = await openNodeDoor(bindable(home.socket), VERSION, () => nodes);
  const stop = async (): Promise<void> => {
    for (const end of renewals) end();
    await Promise.all(nodes.map((node) => node.stop()));
    await vaults?.stop();
    await closeDoor();
  };
  try {
    for (const one of configured) {
      const node = await startNode(one, vaults, log);
      nodes.push(node);
      renewals.push(renewing(one.home, naming(log, node.name)));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  for (const node of nodes) node.takeTasks();
  vaults?.start();
  return {
    nodes,
    stop: async () => {
      await stop();
      rmSync(home.socket, { force: true });
    },
  };
}

async function startNode(
  { home, name: fallback, via: kind, config }: Identity & { readonly config: NodeConfig },
  vaults: NodeVaults | undefined,
  log: Log,
): Promise<MeshNode> {
  const name = config.node ?? fallback ?? '';
  const refused = nodeRefusal(name);
  if (refused !== undefined) throw new RefusedError(refused);
  const heartbeatFile = config.heartbeat ?? home.heartbeat;
  const said = naming(log, name);
  const via = config.via ?? contextOf(kind, name);
  const vault =
    config.vault &&
    (await vaults?.take(config.vault, name, home.config, { heartbeat: heartbeatFile, spool: config.spool }));
  mkdirSync(dirname(heartbeatFile), { recursive: true, mode: 0o700 });
  const parts = { name, home, config, via, controllers: controllersIn(config), log: said };
  const tasks = await tasksOf(parts, vault?.spool);
  const node = await MeshNode.start({
    name,
    ...(tasks === undefined ? {} : { tasks: tasks.writer }),
    version: VERSION,
    boot: randomUUID(),
    controller: whereController(config),
    uplinks: await uplinksOf(name, home, config, said),
    flush: config.flush,
    run: await runVia(via),
    freeze: config.freeze,
    freezeMsMax: config.freezeMsMax,
    heartbeatFile,
    ...(vault === undefined ? {} : { vault }),
    frozenFile: home.frozen,
    clock: systemClock,
    log: said,
  });
  tasks?.belongTo(node);
  return node;
}

/** The certificate of a node that has joined; what makes requests for one is big, and loaded when it is due. */
function renewing({ root }: NodeHome, log: Log): () => void {
  const rotate = async (home: string): Promise<unknown> =>
    (await import('../trust/joining.ts')).rotateCertificate(home);
  return renewInTime(root, { clock: systemClock, log, random: Math.random, rotate });
}

/** Most nodes run no tasks, and are the smaller for it. Whose vault is mounted finds them there, unless node.yaml names another place. */
async function tasksOf(parts: TaskParts, inVault: Spool | undefined): Promise<OpenedTasks | undefined> {
  const spool = parts.config.spool === undefined ? inVault : undefined;
  if (parts.config.spool === undefined && spool === undefined) return undefined;
  return (await import('./node-tasks.ts')).openTasks({ ...parts, ...(spool === undefined ? {} : { spool }) });
}

function contextOf(kind: string | undefined, node: string): string | undefined {
  return kind === undefined || kind === 'local' ? undefined : `${kind}:${node}`;
}

/** @throws RefusedError `context_invalid` */
async function runVia(context: string | undefined): Promise<Run> {
  if (context === undefined) return runHere;
  // Most nodes speak for where they are, and are the smaller for it.
  const [{ openReach }, { runIn }] = await Promise.all([import('./reach.ts'), import('../node/halting/reached.ts')]);
  const reach = openReach(context);
  if (!reach.ok) throw new RefusedError(reach.error);
  return runIn(reach.value);
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
