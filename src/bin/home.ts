import { chmodSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { refusal, RefusedError } from '../base/refusal.ts';

/** Where things lie in HAUKI_HOME, the data directory of one controller. */
export interface Home {
  readonly root: string;
  readonly socket: string;
  readonly token: string;
  readonly store: string;
  readonly log: string;
  readonly config: string;
  readonly webhooks: string;
  /** There once this home has a mesh. */
  readonly mesh: string;
}

/** `HAUKI_HOME`, else `/var/lib/hauki` for root and the XDG data directory for others. */
export function homeFrom(env: NodeJS.ProcessEnv): Home {
  const root = resolve(env['HAUKI_HOME'] || defaultRoot(env));
  return {
    root,
    socket: join(root, 'controller.sock'),
    token: join(root, 'token'),
    store: join(root, 'store'),
    log: join(root, 'log', 'controller.log'),
    config: join(root, 'config.yaml'),
    webhooks: join(root, 'webhooks.db'),
    mesh: join(root, 'mesh', 'mesh.json'),
  };
}

function defaultRoot(env: NodeJS.ProcessEnv, name = 'hauki'): string {
  if (userInfo().uid === 0) return `/var/lib/${name}`;
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), name);
}

/** Where this machine keeps what it is as a node: `HAUKI_NODE_HOME`, else `hauki-node` beside where HAUKI_HOME is by default. */
export function nodeHomeFrom(env: NodeJS.ProcessEnv): string {
  return resolve(env['HAUKI_NODE_HOME'] || defaultRoot(env, 'hauki-node'));
}

/**
 * The node home to act as, when commands are to go to the mesh this machine has joined: it is named, or it is there, this machine is
 * not the controller, and nobody named a HAUKI_HOME instead.
 */
export function joinedHome(env: NodeJS.ProcessEnv): string | undefined {
  const node = nodeHomeFrom(env);
  const joined = existsSync(join(node, 'node.pem'));
  // Whoever says so means it; that this machine has not joined yet is then said, and nothing else is asked instead. A node that works
  // on its controller's own machine has only its node.yaml.
  if (env['HAUKI_NODE_HOME']) return joined || !existsSync(join(node, 'node.yaml')) ? node : undefined;
  if (env['HAUKI_HOME']) return undefined;
  const isController = existsSync(join(homeFrom(env).root, 'mesh', 'mesh.json'));
  return !isController && joined ? node : undefined;
}

/**
 * Makes the data directory, closed to others: it holds keys and copies of whatever is guarded.
 *
 * @throws RefusedError `ledger_unavailable` when it cannot be made
 */
export function makeHome(home: Home): void {
  try {
    for (const folder of [home.root, home.store, dirname(home.log)])
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(home.root, 0o700);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RefusedError(
      refusal(
        'ledger_unavailable',
        `HAUKI_HOME ${home.root} cannot be used: ${why}.`,
        'Name a folder of your own that can be written in HAUKI_HOME.',
      ),
    );
  }
}

/** The kernel takes 108 bytes for a socket's path, its NUL included. */
const SOCKET_PATH_BYTES_MAX = 107;

export function isTooLong(socket: string): boolean {
  return Buffer.byteLength(socket) > SOCKET_PATH_BYTES_MAX;
}

/**
 * A path to the same socket that is short enough for the kernel: through the folder's descriptor, which stays open for as long as
 * the process runs.
 */
export function bindable(socket: string): string {
  if (!isTooLong(socket)) return socket;
  const folder = openSync(dirname(socket), 'r');
  return `/proc/self/fd/${folder}/${socket.slice(dirname(socket).length + 1)}`;
}

/**
 * The absolute path of what a caller named, by what the kernel will make of it: `link/..` is the folder above the link's target,
 * so nothing is shortened by its letters.
 */
export function absolute(path: string): string {
  return isAbsolute(path) ? path : `${process.cwd()}/${path}`;
}
