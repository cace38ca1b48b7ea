import { type FSWatcher, watch } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import type { DatasetName } from '../../core/dataset.ts';
import { type Queued, startable } from '../../core/task/lanes.ts';
import type { TaskDrop } from '../../ports/mesh.ts';
import type { Spool } from '../../ports/spool.ts';
import { datasetsOf } from './claim.ts';
import { type Arrival, Inbox } from './inbox.ts';
import { receive } from './reception.ts';
import { recover } from './recovery.ts';
import { judgingOf, type Room, take, type Took } from './taking.ts';

export interface WriterOptions extends Room {
  readonly spool: Spool;
  /** 0 to 1 */
  readonly random: () => number;
}

interface Next extends Queued {
  readonly arrival: Arrival;
}

interface Running {
  readonly datasets: readonly DatasetName[];
  /** Never rejects. */
  readonly ends: Promise<void>;
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
/** So many run at once at most, and of so many that wait it is known what they change. */
const RUNNING_MAX = 8;
const AHEAD_MAX = 64;

/**
 * The Shadow Writer: takes the tasks of a spool by name, one at a time for each dataset, and runs each under a clearance of its own.
 *
 * First what an earlier run left claimed is ended; before that is known, nothing is taken.
 */
export class ShadowWriter {
  readonly #options: WriterOptions;
  readonly #room: Room;
  readonly #inbox: Inbox;
  readonly #stopping = new AbortController();
  readonly #running = new Map<string, Running>();
  /** What was in the inbox at the last look and has not begun. */
  #waiting: readonly Arrival[] = [];
  /** When to look again, while something waits; and from when on that may be, should there be news. */
  #lookMono = 0;
  #lookSoonestMono = 0;
  readonly #datasets = new WeakMap<Arrival, readonly DatasetName[]>();
  #mayTake: () => boolean = () => true;
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

  /** The task that it is at; of several the one that began first, and how many more. */
  get running(): string | undefined {
    const [first, ...more] = this.#running.keys();
    return first === undefined || more.length === 0 ? first : `${first} and ${more.length} more`;
  }

  /** @param mayTake false while the node is halted */
  start(mayTake: () => boolean): void {
    this.#mayTake = mayTake;
    this.#watch();
    this.#options.spool.onReady(() => {
      // What was mounted before may be another file system than what is now, with claimed tasks of its own.
      this.#recovered = false;
      this.#lookMono = 0;
      this.#watch();
      this.#wake();
    });
    this.#done = this.#work();
  }

  /** Looks now: somebody knows that there is something, or that the controller is back. */
  poll(): void {
    this.#notBeforeMono = 0;
    this.#hear();
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

  /** The tasks that run are ended and undone. */
  async stop(): Promise<void> {
    this.#stopping.abort(new RefusedError(refusal('cancelled', 'The node was stopped.')));
    this.#watcher?.close();
    this.#wake();
    await this.#done;
    this.#options.feed.stop();
  }

  async #work(): Promise<void> {
    const { spool, clock } = this.#options;
    while (!this.#stopping.signal.aborted) {
      this.#rung = false;
      let waitMs = POLL_MS;
      try {
        if (spool.ready && clock.mono() >= this.#notBeforeMono) waitMs = await this.#round();
      } catch (error) {
        this.#stumble(error);
      }
      if (!this.#rung && !this.#stopping.signal.aborted) await this.#bell(Math.min(waitMs, POLL_MS));
    }
    await Promise.all([...this.#running.values()].map(({ ends }) => ends));
  }

  /** @returns after how many ms to look again */
  async #round(): Promise<number> {
    const { clock } = this.#options;
    if (!this.#recovered && !(await this.#recover())) return POLL_MS;
    if (!this.#mayTake()) return POLL_MS;
    const againMs = this.#waiting.length === 0 || clock.mono() >= this.#lookMono ? await this.#look() : POLL_MS;
    for (const next of startable(await this.#queued(), this.#inTheatre(), RUNNING_MAX)) {
      if (this.#stopping.signal.aborted || !this.#mayTake() || !this.#options.spool.ready) return POLL_MS;
      // The vault was mounted anew meanwhile, or nobody knows how a task ended: what lies claimed comes first.
      if (!this.#recovered) return 0;
      if (this.#failures > 0 && !(await this.#options.desk.ready())) {
        this.#putOff(this.#awayMs());
        return POLL_MS;
      }
      this.#begin(next);
    }
    // Whatever runs rings when it has ended.
    return this.#waiting.length === 0 ? againMs : Math.max(1, this.#lookMono - clock.mono());
  }

  /** @returns after how many ms something more may be there */
  async #look(): Promise<number> {
    const { clock } = this.#options;
    const begunMono = clock.mono();
    const { arrivals, againMs = POLL_MS } = await this.#inbox.look();
    const lookedMono = clock.mono();
    this.#lookSoonestMono = lookedMono + Math.max(LOOK_MS, LOOK_SHARE * (lookedMono - begunMono));
    this.#lookMono = Math.max(this.#lookSoonestMono, lookedMono + againMs);
    this.#waiting = arrivals;
    return againMs;
  }

  /** What waits, in order, and what each is to change. */
  async #queued(): Promise<Next[]> {
    const queued: Next[] = [];
    for (const arrival of this.#waiting.slice(0, AHEAD_MAX)) {
      const datasets = this.#datasets.get(arrival) ?? (await datasetsOf(arrival, this.#options.rules.datasets));
      this.#datasets.set(arrival, datasets);
      queued.push({ name: arrival.name, datasets, arrival });
    }
    return queued;
  }

  #inTheatre(): Queued[] {
    return [...this.#running].map(([name, { datasets }]) => ({ name, datasets }));
  }

  #begin({ name, datasets, arrival }: Next): void {
    this.#waiting = this.#waiting.filter((other) => other !== arrival);
    const ends = take(arrival, datasets, this.#room, this.#stopping.signal)
      .then((took) => this.#took(took, arrival))
      .catch((error: unknown) => this.#stumble(error))
      .finally(() => {
        this.#running.delete(name);
        this.#wake();
      });
    this.#running.set(name, { datasets, ends });
  }

  #took(took: Took, arrival: Arrival): void {
    switch (took.how) {
      case 'ended':
        this.#failures = 0;
        return;
      case 'unknown':
        this.#recovered = false;
        this.#lookMono = 0;
        return;
      case 'later':
        this.#later(took.why);
        return;
      case 'gone':
      case 'changed':
        this.#inbox.forget(nameOf(arrival.path));
    }
  }

  /** A spool that cannot be read just now, or a full disk: what is claimed is looked after first when it can. */
  #stumble(error: unknown): void {
    this.#recovered = false;
    this.#tell({ why: String(error) }, 'the spool cannot be worked on; tried again');
    this.#putOff(this.#awayMs());
  }

  async #recover(): Promise<boolean> {
    const waits = await recover(this.#room, this.#running);
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
    // What was put back may be the first of its dataset again.
    this.#lookMono = 0;
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
      this.#watcher = watch(this.#options.folders.inbox, () => this.#hear());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // It is looked at all the same, only later.
    }
  }

  /** Something may have come. */
  #hear(): void {
    this.#lookMono = Math.min(this.#lookMono, this.#lookSoonestMono);
    this.#wake();
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
