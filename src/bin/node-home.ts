import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';

/** Where things lie in HAUKI_NODE_HOME, the data directory of one node. */
export interface NodeHome {
  readonly root: string;
  readonly config: string;
  readonly socket: string;
  readonly heartbeat: string;
  /** What is frozen at the moment. */
  readonly frozen: string;
  /** Certificate and key, and the CA that made it: there when the node has joined. */
  readonly identity: string;
  readonly ca: string;
}

/** `HAUKI_NODE_HOME`, else `/var/lib/hauki-node` for root and the XDG data directory for others. */
export function nodeHomeFrom(env: NodeJS.ProcessEnv): NodeHome {
  return nodeHomeAt(resolve(env['HAUKI_NODE_HOME'] || defaultRoot(env)));
}

/** The folder of one of several nodes that a process serves. */
export function servedHome(home: NodeHome, node: string): NodeHome {
  return nodeHomeAt(join(home.root, 'nodes', node));
}

function nodeHomeAt(root: string): NodeHome {
  return {
    root,
    config: join(root, 'node.yaml'),
    socket: join(root, 'node.sock'),
    heartbeat: join(root, 'heartbeat.json'),
    frozen: join(root, 'frozen.json'),
    identity: join(root, 'node.pem'),
    ca: join(root, 'ca.pem'),
  };
}

function defaultRoot(env: NodeJS.ProcessEnv): string {
  if (userInfo().uid === 0) return '/var/lib/hauki-node';
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'hauki-node');
}
