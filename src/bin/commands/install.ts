import { realpathSync } from 'node:fs';
import { refusal, RefusedError } from '../../base/refusal.ts';
import { nodeRefusal } from '../../core/policy/policy.ts';
import { installController, uninstallController } from '../../install/controller.ts';
import { controllerUnit } from '../../install/controller-unit.ts';
import { installNode, LAYOUT, type Mesh, type NodeInstall, uninstallNode, upgradeNode } from '../../install/node.ts';
import { archOf } from '../../install/program.ts';
import { There } from '../../install/there.ts';
import type { Reach } from '../../ports/reach.ts';
import { localReach } from '../../reach/local/local.ts';
import { readToken, writeToken } from '../../trust/join-token.ts';
import { calling, connect } from '../connect.ts';
import { executableFor } from '../executable.ts';
import { homeFrom } from '../home.ts';
import { changeableByOthers } from '../root-owned.ts';
import { printJson, printText, say } from '../output.ts';
import { openReach } from '../reach.ts';
import { type InviteOptions, inviteOf, msOf } from './node.ts';

/** `hauki controller install | uninstall` and `hauki node install | upgrade | uninstall`. */

export interface ControllerInstallOptions {
  readonly port?: string;
  readonly node?: string;
  readonly listen?: readonly string[];
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export interface NodeInstallOptions extends InviteOptions {
  readonly via?: string;
  readonly executable?: string;
  readonly within?: string;
  readonly dryRun?: boolean;
  readonly knownHosts?: string;
  readonly identity?: string;
  readonly sshConfig?: string;
}

const CONTROLLER_MS = 300_000;

export async function controllerInstall(options: ControllerInstallOptions): Promise<number> {
  const { port, node, listen = [], dryRun = false } = options;
  const home = homeFrom(process.env);
  const programs = [process.execPath, process.argv[1] ?? ''].map((path) => realpathSync(path));
  requireRootsOwn(programs);
  const argv = [...programs, 'controller'];
  if (port !== undefined) argv.push('--port', port);
  if (node !== undefined) argv.push('--node', node);
  for (const address of listen) argv.push('--listen', address);
  const unit = { argv, home: home.root };
  if (dryRun && !options.json) printText(controllerUnit(unit));
  const { client } = connect(`unix:${home.socket}`);
  const changed = await installController({
    there: new There(localReach()),
    unit,
    answers: () => client.ready(),
    patienceMs: CONTROLLER_MS,
    tell: say,
    dryRun,
  });
  return done(options, 'installed', 'the controller is a service of this host, and answers', changed, {
    home: home.root,
  });
}

/** @throws RefusedError `install_refused` for what somebody else could put something else in the place of, to be run as root */
function requireRootsOwn(programs: readonly string[]): void {
  if (process.getuid?.() !== 0) return;
  for (const program of programs) {
    const open = changeableByOthers(program);
    if (open === undefined) continue;
    throw new RefusedError(
      refusal(
        'install_refused',
        `The service would run ${program} as root, and others than root can change ${open}.`,
        'Put Node and hauki where only root writes (chown -R root, chmod go-w), and install from there. Nothing was changed.',
      ),
    );
  }
}

export async function controllerUninstall(options: ControllerInstallOptions): Promise<number> {
  const { dryRun = false } = options;
  const { root } = homeFrom(process.env);
  const changed = await uninstallController({ there: new There(localReach()), tell: say, dryRun });
  return done(options, 'uninstalled', `its ledger, snapshots and evidence stay in ${root}`, changed, { left: [root] });
}

export async function nodeInstall(node: string, options: NodeInstallOptions): Promise<number> {
  const changed = await installNode(await installing(node, options));
  return done(options, 'installed', `node ${node} is installed, and heard`, changed, { node });
}

export async function nodeUpgrade(node: string, options: NodeInstallOptions): Promise<number> {
  const changed = await upgradeNode(await installing(node, options));
  return done(options, 'upgraded', `node ${node} runs this program, and is heard`, changed, { node });
}

export async function nodeUninstall(node: string, options: NodeInstallOptions): Promise<number> {
  const there = await reached(options);
  const { dryRun = false } = options;
  const changed = await uninstallNode({ node, there, mesh: meshOf(options), tell: say, dryRun });
  const words = `what node ${node} knows stays in ${LAYOUT.home} there`;
  return done(options, 'uninstalled', words, changed, { node, left: [LAYOUT.home] });
}

async function installing(node: string, options: NodeInstallOptions): Promise<NodeInstall> {
  const refused = nodeRefusal(node);
  if (refused !== undefined) throw new RefusedError(refused);
  const there = await reached(options);
  const program = await executableFor(await archOf(there), options.executable);
  return {
    node,
    there,
    mesh: meshOf(options),
    program: { ...program, path: LAYOUT.program },
    patienceMs: msOf(options.within ?? '2m'),
    tell: say,
    dryRun: options.dryRun ?? false,
  };
}

async function reached({ via, knownHosts, identity, sshConfig }: NodeInstallOptions): Promise<There> {
  if (via === undefined)
    throw new RefusedError(
      refusal('usage', 'There is no --via.', 'Name the place: --via lxd:NAME, incus:NAME or ssh:[USER@]HOST[:PORT].'),
    );
  const opened = openReach(via, {
    ...(knownHosts === undefined ? {} : { knownHosts }),
    ...(identity === undefined ? {} : { identity }),
    ...(sshConfig === undefined ? {} : { config: sshConfig }),
  });
  if (!opened.ok) throw new RefusedError(opened.error);
  const reach: Reach = opened.value;
  const there = new There(reach);
  await there.check();
  return there;
}

/** The controller of this host. */
function meshOf(options: NodeInstallOptions): Mesh {
  const connection = connect(undefined);
  const look = async (node: string): Promise<Awaited<ReturnType<typeof connection.client.node>> | undefined> => {
    try {
      return await calling(connection, (client) => client.node(node));
    } catch (error) {
      if (error instanceof RefusedError && error.refusal.code === 'node_unknown') return undefined;
      throw error;
    }
  };
  return {
    isMember: async (node) => (await look(node))?.state === 'joined',
    presence: async (node) => (await look(node))?.presence,
    invite: async (node) => {
      const { token } = await calling(connection, (client) => client.invite(inviteOf(node, options)));
      return options.controller === undefined ? token : leadingTo(options.controller, token);
    },
    revoke: async (node) => void (await calling(connection, (client) => client.revokeNode(node))),
  };
}

/** The token with another way to the controller: what it is known by there is the same. */
function leadingTo(controller: string, text: string): string {
  if (!/^[^/\s]+:\d+$/.test(controller))
    throw new RefusedError(refusal('usage', `"${controller}" is no address of a controller.`, 'Write host:port.'));
  const token = readToken(text);
  if (!token.ok) throw new RefusedError(token.error);
  return writeToken({ ...token.value, controllers: [controller] });
}

function done(
  { json = false, dryRun = false }: { readonly json?: boolean; readonly dryRun?: boolean },
  status: string,
  words: string,
  changed: readonly string[],
  more: Readonly<Record<string, unknown>>,
): number {
  if (json) printJson({ status: dryRun ? 'dry_run' : status, changed, ...more });
  else if (changed.length === 0) printText(`unchanged  ${words}`);
  else if (!dryRun) printText(`${status.padEnd(10)} ${words}`);
  return 0;
}
