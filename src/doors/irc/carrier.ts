import type { KeyObject } from 'node:crypto';
import type { Order } from '../../core/barrier/message.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Carrier, Heartbeat } from '../../ports/mesh.ts';
import {
  type MessageToController,
  type MessageToNode,
  readToController,
  readToNode,
  writeMessage,
} from '../../wire/link.ts';
import { ControlChannel, type ControlChannelOptions } from './control-channel.ts';

interface Ends {
  readonly voice: ControlChannelOptions['voice'];
  readonly channel: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface IrcCarrierOptions extends Ends {
  /** The controller's name and its private key. */
  readonly name: string;
  readonly key: KeyObject;
  /** See ControlChannelOptions. */
  readonly keysOf: ControlChannelOptions['keysOf'];
  readonly heard: (node: string, heartbeat: Heartbeat) => void;
  readonly answered?: (node: string, answer: Extract<MessageToController, { type: 'answer' }>) => void;
}

/** A node counts as reachable for so long after it was last heard there, ms. */
const HEARD_MS = 15_000;

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
    else this.#options.heard(sender, read.value);
    return true;
  }
}

export interface IrcLinkOptions extends Ends {
  /** The node's name and its private key. */
  readonly name: string;
  readonly key: KeyObject;
  readonly controller: { readonly name: string; readonly publicKey: KeyObject };
  readonly onMessage: (message: MessageToNode) => void;
}

/** A node's end of a control channel: orders come in, heartbeats and answers go out. */
export class IrcLink {
  readonly control: ControlChannel;

  constructor(options: IrcLinkOptions) {
    const { controller, onMessage } = options;
    this.control = new ControlChannel({
      ...options,
      keysOf: (sender) => (sender === controller.name ? [controller.publicKey] : []),
      wants: (_kind, sender) => sender === controller.name,
      onMessage: (_sender, text) => {
        const read = readToNode(text);
        if (read.ok) onMessage(read.value);
        return read.ok;
      },
    });
  }

  send(message: MessageToController): void {
    this.control.say(message.type, writeMessage(message));
  }
}
