import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { IrcLink } from '../doors/irc/carrier.ts';
import { Connection } from '../doors/irc/connection.ts';
import type { Log } from '../ports/log.ts';
import { controllerName } from '../trust/controller-name.ts';
import type { NodeDescription } from '../trust/node-home.ts';
import { type MessageToController, writeMessage } from '../wire/link.ts';
import { systemClock } from './clock.ts';
import type { IrcLinkConfig } from './irc-config.ts';
import { channelOf, serverOf } from './irc-server.ts';

export interface IrcLinkParts {
  readonly config: IrcLinkConfig;
  /** HAUKI_NODE_HOME: where the node's key and the mesh's CA are. */
  readonly home: string;
  readonly node: Pick<NodeDescription, 'node' | 'mesh'>;
  readonly log: Log;
}

/** A way to the controller that is there, or on its way: what a node's link takes, whatever carries it. */
interface Wire {
  send(text: string): void;
  /** Has the IRC server answer, if it is alive. */
  ping(): void;
  close(): void;
}

interface WireEvents {
  readonly opened: () => void;
  /** @param text one message of src/wire/link.ts */
  readonly said: (text: string) => void;
  readonly ponged: () => void;
  readonly closed: (why: string) => void;
}

/**
 * A node's way to its controller through an IRC channel. Each call makes one connection; whoever calls it makes the next one, when this
 * one is closed.
 *
 * @throws RefusedError `usage` when a file that the configuration names cannot be used
 */
export function dialIrc({ config, home, node, log }: IrcLinkParts): (events: WireEvents) => Wire {
  const channel = channelOf(config.controlChannel, config.controlChannelKeyFile, home);
  const server = { ...serverOf(config, home, log), channels: [channel] };
  return ({ opened, said, ponged, closed }) => {
    let over = false;
    const end = (why: string): void => {
      if (over) return;
      over = true;
      void connection.stop();
      closed(why);
    };
    const connection: Connection = new Connection({
      server,
      clock: systemClock,
      log,
      random: Math.random,
      onJoined: opened,
      onLost: end,
      onSaid: ({ target, message }) => {
        if (target.toLowerCase() === channel.name.toLowerCase()) link.control.hear(message);
      },
    });
    const link = new IrcLink({
      voice: connection,
      channel: channel.name,
      name: node.node,
      // Read for each connection: a rotation brings another key while the node runs.
      key: privateKeyIn(join(home, 'node.pem')),
      controller: {
        name: controllerName(node.mesh),
        publicKey: new X509Certificate(readFileSync(join(home, 'ca.pem'))).publicKey,
      },
      onMessage: (message) => said(writeMessage(message)),
      clock: systemClock,
      log,
    });
    connection.start();
    return {
      send: (text) => link.send(JSON.parse(text) as MessageToController),
      ping: () => void connection.heard(channel.name).then((answered) => (answered ? ponged() : undefined)),
      close: () => end('closed by this node'),
    };
  };
}

/** The file has the certificate too. */
function privateKeyIn(path: string): ReturnType<typeof createPrivateKey> {
  const [key = ''] =
    /-----BEGIN PRIVATE KEY-----[\s\S]*?-----END PRIVATE KEY-----/.exec(readFileSync(path, 'utf8')) ?? [];
  return createPrivateKey(key);
}
