import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Heartbeat, TaskPiece } from '../../ports/mesh.ts';
import { type MessageToController, readToNode, writeMessage } from '../../wire/link.ts';
import type { Ears, Uplink } from '../uplink.ts';
import { backoffMs } from './backoff.ts';

/** A connection to a controller, up or on its way there. */
export interface Wire {
  send(text: string): void;
  /** Has the peer answer, if it is alive. */
  ping(): void;
  /** At once, whether or not somebody is there. `closed` is called afterwards as well. */
  close(): void;
}

/** What becomes of a connection. `closed` comes once and last, also for one that never opened. */
export interface WireEvents {
  readonly opened: () => void;
  readonly said: (text: string) => void;
  readonly ponged: () => void;
  readonly closed: (why: string) => void;
}

export type Dial = (events: WireEvents) => Wire;

export interface LinkOptions extends Ears {
  readonly dial: Dial;
  readonly clock: Clock;
  /** 0 to 1 */
  readonly random: () => number;
  readonly log: Log;
}

/** The peer is asked whether it is alive so often; when it has not spoken for two of these, the connection is dead. */
const PING_MS = 5_000;
/** A connection that lasted so long was a success: the next failure is the first. */
const STEADY_MS = 10_000;
/** Of failures in a row, those that are worth a line in the log: each with another reason, and then one in so many. */
const LOGGED_EVERY = 30;
const REASONS_MAX = 20;

/** Heartbeats go out so often. */
export const BEAT_MS = 2_000;

/** The node's end of its link: one connection, made again whenever it is lost, for as long as the node runs. */
export class Link implements Uplink {
  readonly name = 'link';
  readonly everyMs = BEAT_MS;
  readonly #options: LinkOptions;
  #wire: Wire | undefined;
  #up = false;
  #openedMono = 0;
  #failures = 0;
  readonly #reasons = new Set<string>();
  #silences = 0;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get up(): boolean {
    return this.#up;
  }

  start(): void {
    this.#connect();
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    this.#wire?.close();
    return Promise.resolve();
  }

  /** What cannot be sent now is lost: the next heartbeat says it again. */
  say(message: MessageToController): void {
    if (this.#up) this.#wire?.send(writeMessage(message));
  }

  beat(heartbeat: Heartbeat): void {
    this.say({ type: 'heartbeat', ...heartbeat });
  }

  tell(pieces: readonly TaskPiece[]): void {
    this.say({ type: 'output', pieces });
  }

  #connect(): void {
    const { dial, log, turned, heard } = this.#options;
    let over = false;
    const alive = (): void => void (this.#silences = 0);
    this.#wire = dial({
      opened: () => {
        this.#up = true;
        this.#openedMono = this.#options.clock.mono();
        alive();
        this.#keepAsking();
        log.info({ failures: this.#failures }, 'linked to the controller');
        turned();
      },
      ponged: alive,
      said: (text) => {
        alive();
        const message = readToNode(text);
        if (message.ok) heard(message.value);
        else log.warn({ why: message.error.message }, 'a message of the controller is not understood');
      },
      closed: (why) => {
        if (over) return;
        over = true;
        this.#lost(why);
      },
    });
  }

  #lost(why: string): void {
    const { clock, random, log, turned } = this.#options;
    this.#cancel();
    this.#wire = undefined;
    const wasUp = this.#up;
    if (wasUp && clock.mono() - this.#openedMono >= STEADY_MS) {
      this.#failures = 0;
      this.#reasons.clear();
    }
    this.#up = false;
    if (this.#stopped) return;
    if (wasUp) turned();
    this.#failures += 1;
    const againMs = backoffMs(this.#failures, random());
    const isNews = !this.#reasons.has(why) && this.#reasons.size < REASONS_MAX;
    if (isNews || this.#failures % LOGGED_EVERY === 0) {
      this.#reasons.add(why);
      log.warn(
        { why, failures: this.#failures, againMs },
        'no link to the controller; tried again for as long as it takes',
      );
    }
    this.#cancel = clock.after(againMs, () => this.#connect());
  }

  #keepAsking(): void {
    this.#cancel = this.#options.clock.after(PING_MS, () => {
      // Counted and not timed: a process that slept must read what came meanwhile before it judges.
      this.#silences += 1;
      if (this.#silences > 2) return this.#wire?.close();
      this.#wire?.ping();
      this.#keepAsking();
    });
  }
}
