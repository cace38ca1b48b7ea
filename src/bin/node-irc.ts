import { join } from 'node:path';
import { IRC_BEAT_MS, IrcLink } from '../doors/irc/carrier.ts';
import { Connection } from '../doors/irc/connection.ts';
import { cursorIn } from '../doors/irc/cursor.ts';
import type { OpenUplink } from '../node/uplink.ts';
import type { Log } from '../ports/log.ts';
import { controllerKnown, nodeKey } from '../trust/signing-keys.ts';
import { systemClock } from './clock.ts';
import { type NodeIrcConfig, nickOf } from './irc-config.ts';
import { ircChannel, ircServer } from './irc-server.ts';

export interface NodeIrcParts {
  readonly config: NodeIrcConfig;
  /** HAUKI_NODE_HOME. */
  readonly home: string;
  readonly node: string;
  readonly log: Log;
}

/**
 * A node's way to its controller over a control channel. A module of its own, since most nodes do without: it brings the IRC client.
 *
 * @throws RefusedError `usage` when a file cannot be used, `mesh_missing` without the node's key or the controller's
 */
export function ircUplink({ config, home, node, log }: NodeIrcParts): OpenUplink {
  const key = nodeKey(home);
  const controller = controllerKnown(home);
  const channel = ircChannel(config.channel, config.channelKeyFile, home);
  const server = { ...ircServer({ ...config, nick: config.nick ?? nickOf(node) }, home, log), channels: [channel] };
  return ({ turned, heard }) => {
    const voice = new Connection({
      server,
      clock: systemClock,
      log,
      random: Math.random,
      onJoined: turned,
      onSaid: ({ target, message }) => {
        if (target.toLowerCase() === channel.name.toLowerCase()) link.control.hear(message);
      },
    });
    const link = new IrcLink({
      voice,
      channel: channel.name,
      name: node,
      key,
      numbers: cursorIn(join(home, 'irc.number')),
      controllerKey: () => controller().publicKey,
      onMessage: heard,
      clock: systemClock,
      log,
    });
    return {
      name: 'irc',
      everyMs: IRC_BEAT_MS,
      get up() {
        return link.control.isOpen;
      },
      get view() {
        return { controller: controller().name, nick: voice.nick, ignored: link.control.ignored };
      },
      start: () => voice.start(),
      stop: () => voice.stop(),
      say: (message) => link.send(message),
      beat: (heartbeat, why) => {
        const message = { type: 'heartbeat', ...heartbeat } as const;
        if (why === 'due') link.beat(message);
        // That it flushes is good to know. That it has flushed, or runs again, is what a barrier waits for.
        else if (heartbeat.pulse.state === 'flushing') link.offer(message);
        else link.send(message);
      },
    };
  };
}
