import { type FSWatcher, watch } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import type { TaskDrop } from '../../ports/mesh.ts';
import type { Spool } from '../../ports/spool.ts';
import { Inbox } from './inbox.ts';
import { receive } from './reception.ts';
import { recover } from './recovery.ts';
import { judgingOf, type Room, take } from './taking.ts';

export interface WriterOptions extends Room {
  readonly spool: Spool;
  /** 0 to 1 */
  readonly random: () => number;
}

/** The inbox is looked at so often, ms, whatever anybody says: on FUSE nobody tells. */
const POLL_MS = 1_000;
/** Between tries, ms, while the controller is not there; from the first on, doubling. */
const AWAY_MS = 200;
const AWAY_MS_MAX = 5_000;
/** It said that too much was asked lately. */
const RATE_MS = 15_000;
/** While there is work, what came meanwhile is looked for so often, ms, and never for more than a fraction of the time. */
const LOOK_MS = 200;
const LOOK_SHARE = 5;

/**
 * The Shadow Writer: takes the tasks of a spool, one after the other by name, and runs each under a clearance of its own.
 *
 * First what an earlier run left claimed is ended; before that is known, nothing is taken.
 */
export class ShadowWriter {
  readonly #options: WriterOptions;
  readonly #room: Room;
  readonly #inbox: Inbox;
  readonly #stopping = new AbortController();
  #mayTake: () => boolean = () => true;
  #running: string | undefined;
  #recovered = false;
  #failures = 0;
  #notBeforeMono = 0;
  #said = '';
  #rung = false;
  #ring: (() => void) | undefined;
  #watcher: FSWatcher | undefined;
  #done: Promise<void> = Promise.resolve();
  #dropped: Promise<unknown> = Promise.resolve();

  constructor(options: WriterOptions) {
    const { folders, clock, rules } = options;
    this.#options = options;
    this.#room = options;
    this.#inbox = new Inbox(folders.inbox, clock.mono, !rules.unsigned);
  }

  /** The task that it is at. */
  get running(): string | undefined {
    return this.#running;
  }

  /** @param mayTake false while the node is halted */
  start(mayTake: () => boolean): void {
    this.#mayTake = mayTake;
    this.#watch();
    this.#options.spool.onReady(() => {
      // What was mounted before may be another file system than what is now, with claimed tasks of its own.
      this.#recovered = false;
      this.#watch();
      this.#wake();
    });
    this.#done = this.#work();
  }

  /** Looks now: somebody knows that there is something, or that the controller is back. */
  poll(): void {
    this.#notBeforeMono = 0;
    this.#wake();
  }

  /** Takes a task that came by the controller; one after the other, so that of two with one name the second is refused. */
  async drop(drop: TaskDrop): Promise<string> {
    const { spool, folders } = this.#options;
    const received = this.#dropped.then(() => receive(drop, { spool, folders, judging: judgingOf(this.#room) }));
    this.#dropped = received.catch(() => undefined);
    const signer = await received;
    this.#options.log.info({ task: drop.task, signer }, 'a task came by the controller');
    this.poll();
    return `signed by ${signer}; it is in the inbox`;
  }

  /** The task that runs is ended and undone. */
  async stop(): Promise<void> {
    this.#stopping.abort(new RefusedError(refusal('cancelled', 'The node was stopped.')));
    this.#watcher?.close();
    this.#wake();
    await this.#done;
    this.#options.feed.stop();
  }

  async #work(): Promise<void> {
    const { log, spool, clock } = this.#options;
    while (!this.#stopping.signal.aborted) {
      this.#rung = false;
      let waitMs = POLL_MS;
      try {
        if (spool.ready && clock.mono() >= this.#notBeforeMono) waitMs = await this.#round();
      } catch (error) {
        // A spool that cannot be read just now, or a full disk: what is claimed is looked after first when it can.
        this.#recovered = false;
        this.#tell({ why: String(error) }, 'the spool cannot be worked on; tried again');
        this.#putOff(this.#awayMs());
      }
      if (this.#running !== undefined) log.error({ task: this.#running }, 'a task was left in the middle');
      this.#running = undefined;
      if (!this.#rung && !this.#stopping.signal.aborted) await this.#bell(Math.min(waitMs, POLL_MS));
    }
  }

  /** @returns after how many ms to look again */
  async #round(): Promise<number> {
    if (!this.#recovered && !(await this.#recover())) return POLL_MS;
    if (!this.#mayTake()) return POLL_MS;
    const begunMono = this.#options.clock.mono();
    const { arrivals, againMs } = await this.#inbox.look();
    const lookedMono = this.#options.clock.mono();
    const untilMono = lookedMono + Math.max(LOOK_MS, LOOK_SHARE * (lookedMono - begunMono));
    for (const arrival of arrivals) {
      if (this.#stopping.signal.aborted || !this.#mayTake() || !this.#options.spool.ready) return POLL_MS;
      // The vault was mounted anew meanwhile: what lies claimed in it comes first.
      if (!this.#recovered) return 0;
      if (this.#rung && this.#options.clock.mono() > untilMono) return 0;
      if (this.#failures > 0 && !(await this.#options.desk.ready())) {
        this.#putOff(this.#awayMs());
        return POLL_MS;
      }
      this.#running = arrival.name;
      const took = await take(arrival, this.#room, this.#stopping.signal);
      this.#running = undefined;
      if (took.how === 'ended') this.#failures = 0;
      else if (took.how === 'unknown') {
        this.#recovered = false;
        return 0;
      } else if (took.how === 'later') {
        this.#later(took.why);
        return POLL_MS;
      } else this.#inbox.forget(nameOf(arrival.path));
    }
    return againMs ?? POLL_MS;
  }

  async #recover(): Promise<boolean> {
    const waits = await recover(this.#room);
    this.#recovered = waits === undefined;
    if (waits === undefined) this.#failures = 0;
    else {
      this.#tell({ why: waits }, 'a task of before cannot be ended yet; nothing else is taken until it is');
      this.#putOff(this.#awayMs());
    }
    return this.#recovered;
  }

  #later(why: Refusal): void {
    if (this.#stopping.signal.aborted) return;
    const who = why.code === 'internal' ? 'this node cannot judge them' : 'the controller cannot clear them';
    this.#tell({ why: why.message, hint: why.hint }, `tasks wait: ${who} now`);
    this.#putOff(why.code === 'rate_limited' ? RATE_MS : this.#awayMs());
  }

  #awayMs(): number {
    this.#failures += 1;
    const ms = Math.min(AWAY_MS * 2 ** Math.min(this.#failures - 1, 10), AWAY_MS_MAX);
    return ms * (0.5 + this.#options.random() / 2);
  }

  #putOff(ms: number): void {
    this.#notBeforeMono = this.#options.clock.mono() + ms;
    void sleep(ms, undefined, { ref: false }).then(() => this.#wake());
  }

  /** The same again and again is said once. */
  #tell(fields: Readonly<Record<string, unknown>>, message: string): void {
    const said = JSON.stringify([fields, message]);
    if (said !== this.#said || this.#failures % 30 === 1) this.#options.log.warn(fields, message);
    this.#said = said;
  }

  #watch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    if (!this.#options.spool.ready) return;
    try {
      this.#watcher = watch(this.#options.folders.inbox, () => this.#wake());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // It is looked at all the same, only later.
    }
  }

  #wake(): void {
    this.#rung = true;
    this.#ring?.();
  }

  #bell(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, () => this.#ring?.());
      this.#ring = (): void => {
        this.#ring = undefined;
        cancel();
        resolve();
      };
    });
  }
}

function nameOf(path: string | Buffer): string {
  const text = path.toString();
  return text.slice(text.lastIndexOf('/') + 1);
}
