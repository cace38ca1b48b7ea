import { createPrivateKey } from 'node:crypto';
import { resolve } from 'node:path';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { Channel } from '../doors/irc/connection.ts';
import { cursorIn } from '../doors/irc/cursor.ts';
import { type ControlOptions, type IrcDoor, ircDoor } from '../doors/irc/door.ts';
import type { Controller } from '../engine/controller.ts';
import type { Log } from '../ports/log.ts';
import { controllerName } from '../trust/controller-name.ts';
import { meshFolder, readMesh } from '../trust/mesh-home.ts';
import { systemClock } from './clock.ts';
import type { Home } from './home.ts';
import type { IrcConfig } from './irc-config.ts';
import { channelOf, serverOf } from './irc-server.ts';

export interface IrcParts {
  readonly config: IrcConfig;
  readonly home: Home;
  readonly controller: Controller;
  readonly log: Log;
}

/**
 * Opens the IRC door as config.yaml says. The server may be anything but there.
 *
 * @throws RefusedError `usage` when a file cannot be used, `mesh_missing` when there is no mesh for a control channel
 */
export function openIrc({ config, home, controller, log }: IrcParts): IrcDoor {
  const { channel, channelKeyFile, controlChannel, controlChannelKeyFile, accounts, signers, heads } = config;
  return ircDoor({
    controller,
    server: serverOf(config, home.root, log),
    channel: channelOf(channel, channelKeyFile, home.root),
    ...(controlChannel === undefined
      ? {}
      : { control: controlOf(home, channelOf(controlChannel, controlChannelKeyFile, home.root)) }),
    headMs: heads,
    cursor: cursorIn(resolve(home.root, 'irc.cursor')),
    accounts,
    ...(signers === undefined ? {} : { signers: resolve(home.root, signers) }),
    clock: systemClock,
    log,
    random: Math.random,
  });
}

/**
 * Orders over IRC are signed by the mesh's CA: its key is the one that every node knows from its join token on, also a node that has no
 * other way to the controller. What is signed begins with words that no certificate does.
 */
function controlOf(home: Home, channel: Channel): ControlOptions {
  const mesh = readMesh(home.root);
  if (mesh === undefined) {
    const message = `${channel.name} is to carry barriers, and there is no mesh in ${meshFolder(home.root)} yet.`;
    throw new RefusedError(
      refusal('mesh_missing', message, 'Make it with "hauki mesh init", or leave irc.controlChannel out.'),
    );
  }
  return { channel, name: controllerName(mesh.mesh), key: createPrivateKey(mesh.ca.key) };
}
