import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { IrcLink } from '../doors/irc/carrier.ts';
import { Connection } from '../doors/irc/connection.ts';
import type { Log } from '../ports/log.ts';
import { controllerName } from '../trust/controller-name.ts';
import type { NodeDescription } from '../trust/node-home.ts';
import type { MessageToController, MessageToNode } from '../wire/link.ts';
import { systemClock } from './clock.ts';
import type { IrcLinkConfig } from './irc-config.ts';
import { channelOf, serverOf } from './irc-server.ts';

export interface IrcLinkParts {
  readonly config: IrcLinkConfig;
  /** HAUKI_NODE_HOME: where the node's key and the mesh's CA are. */
  readonly home: string;
  readonly node: Pick<NodeDescription, 'node' | 'mesh'>;
  readonly onMessage: (message: MessageToNode) => void;
  readonly log: Log;
}

/** A node's way to its controller through an IRC channel. What is sent while there is no server is lost. */
export interface OpenIrcLink {
  readonly isOpen: () => boolean;
  readonly send: (message: MessageToController) => void;
  readonly close: () => Promise<void>;
}

/** @throws RefusedError `usage` when a file that the configuration names cannot be used */
export function openIrcLink({ config, home, node, onMessage, log }: IrcLinkParts): OpenIrcLink {
  const channel = channelOf(config.controlChannel, config.controlChannelKeyFile, home);
  const connection: Connection = new Connection({
    server: { ...serverOf(config, home, log), channels: [channel] },
    clock: systemClock,
    log,
    random: Math.random,
    onJoined: () => undefined,
    onSaid: ({ target, message }) => {
      if (target.toLowerCase() === channel.name.toLowerCase()) link.control.hear(message);
    },
  });
  const link = new IrcLink({
    voice: connection,
    channel: channel.name,
    name: node.node,
    key: privateKeyIn(join(home, 'node.pem')),
    controller: {
      name: controllerName(node.mesh),
      publicKey: new X509Certificate(readFileSync(join(home, 'ca.pem'))).publicKey,
    },
    onMessage,
    clock: systemClock,
    log,
  });
  connection.start();
  return {
    isOpen: () => link.control.isOpen,
    send: (message) => link.send(message),
    close: () => connection.stop(),
  };
}

/** The file has the certificate too. */
function privateKeyIn(path: string): ReturnType<typeof createPrivateKey> {
  const [key = ''] =
    /-----BEGIN PRIVATE KEY-----[\s\S]*?-----END PRIVATE KEY-----/.exec(readFileSync(path, 'utf8')) ?? [];
  return createPrivateKey(key);
}
