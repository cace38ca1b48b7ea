import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { Channel } from '../doors/irc/connection.ts';
import { cursorIn } from '../doors/irc/cursor.ts';
import { type ControlOptions, type IrcDoor, ircDoor } from '../doors/irc/door.ts';
import type { TlsTrust } from '../doors/irc/transport.ts';
import type { Controller } from '../engine/controller.ts';
import type { Log } from '../ports/log.ts';
import { controllerName } from '../trust/controller-name.ts';
import { meshFolder, readMesh } from '../trust/mesh-home.ts';
import { systemClock } from './clock.ts';
import type { Home } from './home.ts';
import type { IrcConfig } from './irc-config.ts';
import { readSecret } from './secret.ts';

export interface IrcParts {
  readonly config: IrcConfig;
  readonly home: Home;
  readonly controller: Controller;
  readonly log: Log;
}

/**
 * Opens the IRC door as config.yaml says. Files that it names are read now, so that a missing password stops the start with a reason;
 * the server may be anything but there.
 *
 * @throws RefusedError `usage` when a file cannot be used, `mesh_missing` when there is no mesh for a control channel
 */
export function openIrc({ config, home, controller, log }: IrcParts): IrcDoor {
  const { server, port, tls, nick, channel, controlChannel, sasl, accounts, signers, heads, flood, patience } = config;
  const at = (path: string): string => resolve(home.root, path);
  const secret = (path: string | undefined, what: string): string | undefined =>
    path === undefined ? undefined : readSecret(at(path), what);
  const password = secret(config.passwordFile, "the IRC server's password");
  const saslPassword = secret(sasl?.passwordFile, 'the password of the SASL account');
  const key = secret(config.channelKeyFile, `the key of ${channel}`);
  const controlKey = secret(config.controlChannelKeyFile, `the key of ${controlChannel ?? 'the control channel'}`);
  if (tls === false && (password ?? saslPassword) !== undefined)
    log.warn({ server }, 'IRC: a password is sent in the clear, because tls is false');
  return ircDoor({
    controller,
    server: {
      host: server,
      port,
      ...(tls === false ? {} : { tls: trustOf(tls, at) }),
      nick,
      ...(password === undefined ? {} : { password }),
      ...(sasl === undefined || saslPassword === undefined
        ? {}
        : { sasl: { account: sasl.account, password: saslPassword } }),
      flood,
      patience: {
        quietMs: patience.quiet,
        answerMs: patience.answer,
        retryMs: patience.retry,
        retryMsMax: patience.retryMax,
      },
    },
    channel: channelOf(channel, key),
    ...(controlChannel === undefined ? {} : { control: controlOf(home, channelOf(controlChannel, controlKey)) }),
    headMs: heads,
    cursor: cursorIn(at('irc.cursor')),
    accounts,
    ...(signers === undefined ? {} : { signers: at(signers) }),
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

function channelOf(name: string, key: string | undefined): Channel {
  return key === undefined ? { name } : { name, key };
}

function trustOf(tls: Exclude<IrcConfig['tls'], false>, at: (path: string) => string): TlsTrust {
  const { ca, servername } = tls === true ? {} : tls;
  return {
    ...(ca === undefined ? {} : { ca: pem(at(ca)) }),
    ...(servername === undefined ? {} : { servername }),
  };
}

function pem(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  } catch (error) {
    throw unusable(path, (error as Error).message);
  }
  throw unusable(path, 'it holds no certificate in PEM');
}

function unusable(path: string, why: string): RefusedError {
  return new RefusedError(
    refusal('usage', `${path} cannot be used as certificate authority: ${why}.`, 'Name a PEM file under irc.tls.ca.'),
  );
}
