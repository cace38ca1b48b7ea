import { rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';

import { refusal, RefusedError } from '../base/refusal.ts';
import type { MeshNode, NodeStatus } from './node.ts';

/** What `GET /v1/status` of a node's own socket answers. */
export interface NodeProcessStatus {
  readonly pid: number;
  readonly version: string;
  readonly nodes: readonly NodeStatus[];
}

/** What `POST /v1/thaw` answers: for each node of the process what was done. */
export interface Thawed {
  readonly thawed: readonly { readonly node: string; readonly words: string }[];
}

/**
 * The node process's own door, a Unix socket: for whoever is at the node, also when its controller is gone.
 *
 * @param socket a path short enough for the kernel
 * @returns what closes it
 * @throws RefusedError `home_locked` when another node process listens there
 */
export async function openNodeDoor(
  socket: string,
  version: string,
  nodes: () => readonly MeshNode[],
): Promise<() => Promise<void>> {
  if (await someoneListens(socket)) {
    const hint = 'Stop that one first, or choose another HAUKI_NODE_HOME.';
    throw new RefusedError(refusal('home_locked', `A node process runs already on ${socket}.`, hint));
  }
  await rm(socket, { force: true });
  const server = createServer((request, response) => {
    const asked = `${request.method} ${request.url}`;
    if (asked === 'GET /v1/status') {
      return answer(response, 200, { pid: process.pid, version, nodes: nodes().map(({ status }) => status) });
    }
    if (asked !== 'POST /v1/thaw') return answer(response, 404, refusal('route_unknown', `There is no ${asked} here.`));
    const all = nodes().map(async (node) => ({
      node: node.name,
      words: await node.thaw('somebody at the node asked'),
    }));
    void Promise.all(all).then((thawed) => answer(response, 200, { thawed }));
  });
  await listening(server, socket);
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
}

function answer(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function listening(server: Server, socket: string): Promise<void> {
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(socket, resolve);
    });
  } finally {
    process.umask(umask);
  }
}

/** A socket that a dead process left behind refuses the connection. */
function someoneListens(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}
