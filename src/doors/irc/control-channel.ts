import { createPublicKey, type KeyObject } from 'node:crypto';
import * as z from 'zod';
import type { Member } from '../../core/node/member.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { type ControlMessage, controlLines, ControlReader, type Ignored, nextNumber } from '../../wire/irc/control.ts';
import type { Cursor } from './cursor.ts';

/** What a control channel needs of a connection. */
export interface ControlVoice {
  isIn(channel: string): boolean;
  /** Lines that belong together, made when it is their turn. */
  sayTogether(urgency: 'control', target: string, compose: () => readonly string[], count: number): Promise<boolean>;
  /** Now or never. @returns whether they were said */
  offer(target: string, lines: readonly string[]): boolean;
}

export interface ControlChannelOptions {
  readonly voice: ControlVoice;
  readonly channel: string;
  /** What we sign as: the node's name, or the controller's. */
  readonly name: string;
  /** Our private key. A function, because a rotation brings another. */
  readonly key: () => KeyObject;
  /** The number of our last line. */
  readonly numbers: Cursor;
  /** Public keys by which a sender may sign at this moment. */
  readonly keysOf: (sender: string) => readonly KeyObject[];
  /** What we have to do with: a controller with heartbeats and answers, a node with orders of its controller. */
  readonly wants: (kind: string, sender: string) => boolean;
  /** @param text one message of src/wire/link.ts. @returns false when it means nothing */
  readonly onMessage: (sender: string, text: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a signed line carries: a message, and for which nodes it is; without names it is for the controller. */
const Envelope = z.object({ to: z.array(z.string().max(63)).max(1_000).optional(), message: z.unknown() });
/** Names of one envelope, bytes: what goes to more nodes goes in several. */
const NAMES_BYTES_MAX = 1_200;
/** Forged lines are counted; they come in the log at most so often. */
const WARN_MS = 60_000;

/** The words of a mesh in a channel where anybody may talk: signed on the way out, checked on the way in. */
export class ControlChannel {
  readonly #options: ControlChannelOptions;
  readonly #reader: ControlReader;
  #number: number;
  #numberFails = false;
  #warnedMono: number | undefined;

  constructor(options: ControlChannelOptions) {
    this.#options = options;
    const { channel, keysOf, wants, clock, numbers } = options;
    // What an earlier run of ours said was said before this one began, even if the clock was set back in between.
    this.#number = numbers.read() ?? 0;
    const startedAt = nextNumber(this.#number - 1, clock.now());
    this.#reader = new ControlReader({ channel, keysOf, wants, startedAt });
  }

  /** How many lines were ignored, by why. */
  get ignored(): Readonly<Partial<Record<Ignored, number>>> {
    return this.#reader.ignored;
  }

  get isOpen(): boolean {
    return this.#options.voice.isIn(this.#options.channel);
  }

  /**
   * Says a message; what cannot be said is lost, and whoever cares says it again.
   *
   * @param text one message of src/wire/link.ts
   * @param to the nodes it is for; undefined: the controller
   */
  say(kind: string, text: string, to?: readonly string[]): void {
    const { voice, channel } = this.#options;
    if (!this.isOpen) return;
    for (const names of to === undefined ? [undefined] : inGroups(to)) {
      const lines = this.#lines(kind, text, names);
      void voice.sayTogether('control', channel, () => lines, lines.length);
    }
  }

  /** Says what is newest when its turn has come. @returns when it was said, or cannot be */
  async sayNewest(kind: string, newest: () => string): Promise<void> {
    const { voice, channel } = this.#options;
    if (!this.isOpen) return;
    const count = this.#lines(kind, newest(), undefined).length;
    await voice.sayTogether('control', channel, () => this.#lines(kind, newest(), undefined), count);
  }

  /** Says a message for the controller now, if that delays nothing that is urgent. @returns whether it was said */
  offer(kind: string, text: string): boolean {
    const { voice, channel } = this.#options;
    return this.isOpen && voice.offer(channel, this.#lines(kind, text, undefined));
  }

  /** Takes what was said in the channel, by whomever. */
  hear(line: string): void {
    const reading = this.#reader.read(line, this.#options.clock.now());
    if (reading.type === 'message') this.#take(reading.message);
    else if (reading.type === 'ignored' && (reading.why === 'forged' || reading.why === 'replayed'))
      this.#warn(reading.why, reading.sender);
  }

  #lines(kind: string, text: string, to: readonly string[] | undefined): string[] {
    const { channel, name, key, clock } = this.#options;
    this.#number = nextNumber(this.#number, clock.now());
    this.#keepNumber();
    const message: unknown = JSON.parse(text);
    const payload = Buffer.from(JSON.stringify({ ...(to === undefined ? {} : { to }), message }));
    return controlLines({ kind, sender: name, number: this.#number, payload }, channel, key());
  }

  /** A full disk keeps nobody from speaking: it only matters once the clock is set back as well. */
  #keepNumber(): void {
    try {
      this.#options.numbers.write(this.#number);
    } catch (error) {
      if (!this.#numberFails)
        this.#options.log.warn({ why: (error as Error).message }, 'IRC: the number of the last line could not be kept');
      this.#numberFails = true;
    }
  }

  #take({ sender, payload }: ControlMessage): void {
    const envelope = Envelope.safeParse(parsed(payload));
    if (!envelope.success) return this.#reader.count('malformed');
    const { to, message } = envelope.data;
    if (to !== undefined && !to.includes(this.#options.name)) return this.#reader.count('not_for_us');
    if (!this.#options.onMessage(sender, JSON.stringify(message))) this.#reader.count('malformed');
  }

  #warn(why: Ignored, sender = ''): void {
    const mono = this.#options.clock.mono();
    if (this.#warnedMono !== undefined && mono - this.#warnedMono < WARN_MS) return;
    this.#warnedMono = mono;
    this.#options.log.warn({ sender, ignored: this.ignored }, `IRC: a ${why} line in the control channel was ignored`);
  }
}

/**
 * The keys by which the nodes of a register may sign at a moment: none for one that was revoked or whose time is over, two after a
 * rotation.
 */
export function memberKeys(member: Member | undefined, now: number): readonly KeyObject[] {
  if (member === undefined || member.revokedAt !== undefined || now >= member.expiresAt) return [];
  const { publicKey, previous } = member;
  const keys = previous !== undefined && now < previous.until ? [publicKey, previous.publicKey] : [publicKey];
  return keys.map((key) => createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' }));
}

function parsed(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined;
  }
}

function inGroups(names: readonly string[]): string[][] {
  const groups: string[][] = [];
  let bytes = 0;
  for (const name of names) {
    const last = groups.at(-1);
    bytes += name.length + 3;
    if (last === undefined || bytes > NAMES_BYTES_MAX) {
      groups.push([name]);
      bytes = name.length + 3;
    } else last.push(name);
  }
  return groups;
}
