import { join } from 'node:path';

/** Where things lie in HAUKI_NODE_HOME, the data directory of one node. */
export interface NodeHome {
  readonly root: string;
  readonly config: string;
  readonly socket: string;
  readonly heartbeat: string;
  /** What is frozen at the moment. */
  readonly frozen: string;
  /** What tasks are executed from. */
  readonly scratch: string;
}

/** The folder of one of several nodes that a process serves. */
export function servedHome(home: NodeHome, node: string): NodeHome {
  return nodeHomeAt(join(home.root, 'nodes', node));
}

export function nodeHomeAt(root: string): NodeHome {
  return {
    root,
    config: join(root, 'node.yaml'),
    socket: join(root, 'node.sock'),
    heartbeat: join(root, 'heartbeat.json'),
    frozen: join(root, 'frozen.json'),
    scratch: join(root, 'running'),
  };
}
