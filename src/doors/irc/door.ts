import type { KeyObject } from 'node:crypto';
import type { Controller } from '../../engine/controller.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Ignored } from '../../wire/irc/control.ts';
import { Announcer } from './announcer.ts';
import { Asks, type Spoken } from './asks.ts';
import { IrcCarrier } from './carrier.ts';
import { type Channel, Connection, type ServerOptions } from './connection.ts';
import { memberKeys } from './control-channel.ts';
import type { Cursor } from './cursor.ts';
import { SignedLines } from './signed-lines.ts';

export interface IrcDoorOptions {
  readonly controller: Controller;
  /** Without `channels`: those follow from the two below. */
  readonly server: Omit<ServerOptions, 'channels'>;
  /** Where news are told and questions answered. */
  readonly channel: Channel;
  readonly headMs: number;
  readonly cursor: Cursor;
  /** Accounts that may change things. */
  readonly accounts: readonly string[];
  /** File of allowed signers. */
  readonly signers?: string;
  readonly control?: ControlOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

/** Barriers over IRC. */
export interface ControlOptions {
  readonly channel: Channel;
  /** The controller's private key. */
  readonly key: KeyObject;
  /** The number of the last signed line. */
  readonly numbers: Cursor;
  readonly mesh: Pick<Controller['mesh'], 'addCarrier' | 'heard' | 'presence'>;
}

/** How the door fares, for whoever watches. */
export interface IrcView {
  readonly connected: boolean;
  readonly nick: string;
  /** Lines not said: no connection, or too much waited. */
  readonly dropped: number;
  /** Questions not answered, because too many were asked. */
  readonly unanswered: number;
  /** Lines of the control channel that were ignored, by why. */
  readonly ignored: Readonly<Partial<Record<Ignored, number>>>;
}

export interface IrcDoor {
  readonly view: () => IrcView;
  readonly close: () => Promise<void>;
}

/**
 * The controller as a client of an IRC server. Returns at once: whether there is a server, and whether it lets us in, is nothing that
 * the controller waits for.
 */
export function ircDoor(options: IrcDoorOptions): IrcDoor {
  const { controller, server, control, clock, log, random } = options;
  const channel = options.channel.name;
  const channels = control === undefined ? [options.channel] : [options.channel, control.channel];
  const connection: Connection = new Connection({
    server: { ...server, channels },
    clock,
    log,
    random,
    onJoined: (name) => {
      if (same(name, channel)) announcer.joined();
    },
    onSaid: ({ nick, ident, hostname, message, target, loggedIn, time }) => {
      if (control !== undefined && same(target, control.channel.name)) return carrier?.control.hear(message);
      const where = target.startsWith('#') || target.startsWith('&') ? target : undefined;
      const spoken: Spoken = { nick, ident, hostname, text: message, channel: where, account: loggedIn, at: time };
      void asks.take(spoken);
    },
  });
  const announcer = new Announcer({ ...options, voice: connection, channel });
  const carrier = control === undefined ? undefined : carrierOf(options, control, connection);
  const asks = new Asks({
    asked: {
      controller,
      now: clock.now,
      startedAt: clock.now(),
      presence: (node) => presenceOf(node, controller.mesh),
    },
    controller,
    channel,
    isMember: (nick) => connection.members.has(nick),
    accounts: new Set(options.accounts.map((account) => account.toLowerCase())),
    signedLines: new SignedLines({ signers: options.signers, channel, clock }),
    answer: (target, line) => void connection.notice('answer', target, line),
    clock,
    log,
  });
  connection.start();
  announcer.start();
  return {
    view: () => ({
      connected: connection.isIn(channel),
      nick: connection.nick,
      dropped: connection.dropped,
      unanswered: asks.ignored,
      ignored: carrier?.control.ignored ?? {},
    }),
    close: async () => {
      const told = announcer.stop();
      await connection.stop();
      await told;
    },
  };
}

function carrierOf({ controller, clock, log }: IrcDoorOptions, control: ControlOptions, voice: Connection): IrcCarrier {
  const { channel, key, numbers, mesh } = control;
  const carrier: IrcCarrier = new IrcCarrier({
    voice,
    channel: channel.name,
    name: controller.identity.node,
    key: () => key,
    numbers,
    keysOf: (sender) => memberKeys(controller.engine.state.nodes.get(sender), clock.now()),
    heard: (node, heartbeat) => mesh.heard(node, heartbeat, carrier.name),
    clock,
    log,
  });
  mesh.addCarrier(carrier);
  return carrier;
}

function presenceOf(node: string, mesh: Controller['mesh']): string | undefined {
  const presence = mesh.presence(node);
  if (presence === undefined) return undefined;
  const { liveness, since, carrier, heartbeat } = presence;
  return `${liveness} since ${new Date(since).toISOString().slice(11, 19)} UTC by ${carrier}, ${heartbeat.pulse.state}`;
}

function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
