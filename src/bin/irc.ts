import { join, resolve } from 'node:path';
import { cursorIn } from '../doors/irc/cursor.ts';
import { type ControlOptions, type IrcDoor, ircDoor } from '../doors/irc/door.ts';
import type { Controller } from '../engine/controller.ts';
import { signingKey } from '../ledger/signing.ts';
import type { Log } from '../ports/log.ts';
import { systemClock } from './clock.ts';
import type { Home } from './home.ts';
import type { IrcConfig } from './irc-config.ts';
import { ircChannel, ircServer } from './irc-server.ts';

export interface IrcParts {
  readonly config: IrcConfig;
  readonly home: Home;
  readonly controller: Controller;
  readonly log: Log;
}

/**
 * Opens the IRC door as config.yaml says: see ircServer. With a control channel it is a carrier of the controller's mesh as well.
 *
 * @throws RefusedError `usage` when a file cannot be used
 */
export function openIrc({ config, home: { root }, controller, log }: IrcParts): IrcDoor {
  const { channel, channelKeyFile, controlChannel, controlChannelKeyFile, accounts, signers, heads } = config;
  const control = (name: string): ControlOptions => ({
    channel: ircChannel(name, controlChannelKeyFile, root),
    key: signingKey(root),
    numbers: cursorIn(join(root, 'irc.number')),
    mesh: controller.mesh,
  });
  return ircDoor({
    controller,
    server: ircServer(config, root, log),
    channel: ircChannel(channel, channelKeyFile, root),
    ...(controlChannel === undefined ? {} : { control: control(controlChannel) }),
    headMs: heads,
    cursor: cursorIn(join(root, 'irc.cursor')),
    accounts,
    ...(signers === undefined ? {} : { signers: resolve(root, signers) }),
    clock: systemClock,
    log,
    random: Math.random,
  });
}
