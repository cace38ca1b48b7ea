import type { KeyObject } from 'node:crypto';
import type { Order } from '../../core/barrier/message.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Carrier, Heartbeat } from '../../ports/mesh.ts';
import {
  type MessageToController,
  type MessageToNode,
  readToController,
  readToNode,
  writeMessage,
} from '../../wire/link.ts';
import { ControlChannel, type ControlChannelOptions } from './control-channel.ts';

type Ends = Pick<ControlChannelOptions, 'voice' | 'channel' | 'numbers' | 'clock' | 'log'>;

/** What is sent to nodes; between nodes there is nothing to say. */
const TO_NODES = new Set<string>(['halt', 'resume', 'command'] satisfies MessageToNode['type'][]);

export interface IrcCarrierOptions extends Ends {
  /** The controller's name and its private key. */
  readonly name: string;
  readonly key: () => KeyObject;
  /** See ControlChannelOptions. */
  readonly keysOf: ControlChannelOptions['keysOf'];
  readonly heard: (node: string, heartbeat: Heartbeat) => void;
  readonly answered?: (node: string, answer: Extract<MessageToController, { type: 'answer' }>) => void;
}

/**
 * Heartbeats come so often over IRC, ms: a mesh of hundreds that spoke every two seconds would be a flood. Whatever changes is said at
 * once.
 */
export const IRC_BEAT_MS = 10_000;
/** A node counts as reachable for so long after it was last heard there, ms. */
const HEARD_MS = IRC_BEAT_MS * 7.5;

/** The controller's end of a control channel: heartbeats come in, orders go out. */
export class IrcCarrier implements Carrier {
  readonly name = 'irc';
  readonly control: ControlChannel;
  readonly #options: IrcCarrierOptions;
  readonly #heardMono = new Map<string, number>();

  constructor(options: IrcCarrierOptions) {
    this.#options = options;
    this.control = new ControlChannel({
      ...options,
      wants: (kind, sender) => (kind === 'heartbeat' || kind === 'answer') && sender !== options.name,
      onMessage: (sender, text) => this.#take(sender, text),
    });
  }

  reaches(node: string): boolean {
    const mono = this.#heardMono.get(node);
    return this.control.isOpen && mono !== undefined && this.#options.clock.mono() - mono < HEARD_MS;
  }

  send(nodes: readonly string[], order: Order): void {
    const here = nodes.filter((node) => this.reaches(node));
    if (here.length > 0) this.control.say(order.type, writeMessage(order), here);
  }

  #take(sender: string, text: string): boolean {
    const read = readToController(text);
    if (!read.ok) return false;
    this.#heardMono.set(sender, this.#options.clock.mono());
    if (read.value.type === 'answer') this.#options.answered?.(sender, read.value);
    else if (read.value.type === 'heartbeat') this.#options.heard(sender, read.value);
    return true;
  }
}

export interface IrcLinkOptions extends Ends {
  /** The node's name and its private key. */
  readonly name: string;
  readonly key: () => KeyObject;
  /** The controller's public key: by that it is known, whatever it calls itself. */
  readonly controllerKey: () => KeyObject;
  readonly onMessage: (message: MessageToNode) => void;
}

const BEAT_SLACK_MS = 500;

/** A node's end of a control channel: orders come in, heartbeats and answers go out. */
export class IrcLink {
  readonly control: ControlChannel;
  readonly #clock: Clock;
  #saidMono = -Infinity;
  /** The heartbeat that waits for its turn; a newer one takes its place, since it says all that the older did. */
  #waiting: MessageToController | undefined;

  constructor(options: IrcLinkOptions) {
    const { controllerKey, onMessage, clock } = options;
    this.#clock = clock;
    this.control = new ControlChannel({
      ...options,
      keysOf: () => [controllerKey()],
      wants: (kind) => TO_NODES.has(kind),
      onMessage: (_sender, text) => {
        const read = readToNode(text);
        if (read.ok) onMessage(read.value);
        return read.ok;
      },
    });
  }

  /** Says something the controller waits for: next, whatever else there is to say. */
  send(message: MessageToController): void {
    if (message.type !== 'heartbeat') return void this.control.sayNewest(message.type, () => writeMessage(message));
    this.#saidMono = this.#clock.mono();
    const waits = this.#waiting !== undefined;
    this.#waiting = message;
    if (!waits) void this.#sayWaiting(message);
  }

  async #sayWaiting(first: MessageToController): Promise<void> {
    let said = first;
    await this.control.sayNewest(first.type, () => writeMessage((said = this.#waiting ?? first)));
    const newer = this.#waiting;
    this.#waiting = undefined;
    // It came between the saying and the hearing of it.
    if (newer !== undefined && newer !== said) this.send(newer);
  }

  /** Says something that may as well be said later, if it takes no room from what may not. */
  offer(message: MessageToController): void {
    if (this.control.offer(message.type, writeMessage(message))) this.#saidMono = this.#clock.mono();
  }

  /** Says how things stand, when it is time for that: called more often than heartbeats go out here. */
  beat(message: MessageToController): void {
    // Room for a timer that is early, and is not asked again for a whole beat.
    if (this.#clock.mono() - this.#saidMono >= IRC_BEAT_MS - BEAT_SLACK_MS) this.offer(message);
  }
}
