import { existsSync, type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import type { Queued } from '../../core/task/lanes.ts';
import type { TaskDrop } from '../../ports/mesh.ts';
import type { Spool } from '../../ports/spool.ts';
import { probe } from './claim.ts';
import { type Arrival, Inbox } from './inbox.ts';
import { type Next, TaskQueue } from './queue.ts';
import { receive } from './reception.ts';
import { recover } from './recovery.ts';
import { back, denied, judgingOf, type Room, take, type Took } from './taking.ts';

export interface WriterOptions extends Room {
  readonly spool: Spool;
  /** 0 to 1 */
  readonly random: () => number;
}

interface Running {
  readonly queued: Queued;
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
/** So many run at once at most. */
const RUNNING_MAX = 8;
/** Whoever drops a task by the controller waits so long for an answer, ms; later it is not taken any more. So many wait at most. */
const DROP_MS_MAX = 4_000;
const DROPS_MAX = 8;
/** A task that cannot be taken so often in a row, though the spool could be written, is denied: it must not keep others waiting for ever. */
const STRANDINGS_MAX = 3;

/**
 * The Shadow Writer: takes the tasks of a spool by name, one at a time for each dataset, and runs each under a clearance of its own.
 *
 * First what an earlier run left claimed is ended; before that is known, nothing is taken.
 */
export class ShadowWriter {
  readonly #options: WriterOptions;
  readonly #room: Room;
  readonly #queue: TaskQueue;
  readonly #stopping = new AbortController();
  readonly #running = new Map<string, Running>();
  /** Nothing of them was run, and the spool could not be used: they are put back when it can. */
  readonly #stranded = new Map<string, Arrival>();
  /** How often in a row, and why last. */
  readonly #strandings = new Map<string, { readonly times: number; readonly why: Refusal }>();
  #mayTake: () => boolean = () => true;
  #recovered = false;
  #failures = 0;
  #notBeforeMono = 0;
  #said = '';
  #rung = false;
  #ring: (() => void) | undefined;
  #watcher: FSWatcher | undefined;
  #done: Promise<void> = Promise.resolve();
  #dropped: Promise<void> = Promise.resolve();
  #drops = 0;

  constructor(options: WriterOptions) {
    const { folders, clock, rules } = options;
    this.#options = options;
    this.#room = options;
    const inbox = new Inbox(folders.inbox, clock.mono, !rules.unsigned);
    this.#queue = new TaskQueue(inbox, rules.datasets, clock.mono);
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
      this.#queue.distrust();
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
    const { spool, folders, clock, log } = this.#options;
    const untilMono = clock.mono() + DROP_MS_MAX;
    const inTime = (): boolean => clock.mono() < untilMono;
    if (this.#running.has(drop.task) || this.#stranded.has(drop.task))
      throw new RefusedError(refusal('name_taken', `A task ${drop.task} is under way here.`));
    if (this.#drops >= DROPS_MAX)
      throw new RefusedError(refusal('overloaded', 'Too many tasks are dropped here at once.'));
    this.#drops += 1;
    const received = this.#dropped.then(() =>
      receive(drop, { spool, folders, judging: judgingOf(this.#room), inTime }),
    );
    this.#dropped = received.then(
      () => void (this.#drops -= 1),
      () => void (this.#drops -= 1),
    );
    const signer = await received;
    log.info({ task: drop.task, signer }, 'a task came by the controller');
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
    // Else they would count as interrupted.
    await this.#putBackStranded().catch((error: unknown) => this.#stumble(error));
  }

  /** @returns after how many ms to look again */
  async #round(): Promise<number> {
    const { spool, clock, desk } = this.#options;
    if (!this.#recovered && !(await this.#recover())) return POLL_MS;
    if (!this.#mayTake()) return POLL_MS;
    const againMs = await this.#queue.refresh();
    const mayBeAway = this.#failures > 0 && this.#queue.length > 0;
    if (mayBeAway && !(await desk.ready())) this.#putOff(this.#awayMs());
    // From here on nothing is waited for: what is decided holds.
    if (this.#stopping.signal.aborted || !this.#mayTake() || !spool.ready) return POLL_MS;
    if (clock.mono() < this.#notBeforeMono) return POLL_MS;
    // The vault was mounted anew meanwhile, or nobody knows how a task ended: what lies claimed comes first.
    if (!this.#recovered) return 0;
    const running = [...this.#running.values()].map(({ queued }) => queued);
    for (const next of this.#queue.next(running, RUNNING_MAX)) this.#begin(next);
    // Whatever runs rings when it has ended.
    return againMs;
  }

  #begin(next: Next): void {
    const { name, arrival } = next;
    this.#queue.begun(next);
    const ends = take(arrival, next, this.#room, this.#stopping.signal)
      .then((took) => this.#took(took, arrival))
      .catch((error: unknown) => this.#stumble(error))
      .finally(() => {
        this.#running.delete(name);
        this.#wake();
      });
    this.#running.set(name, { queued: next, ends });
  }

  #took(took: Took, arrival: Arrival): void {
    if (took.how !== 'stranded') this.#strandings.delete(arrival.name);
    switch (took.how) {
      case 'ended':
        this.#failures = 0;
        return;
      case 'unknown':
        this.#recovered = false;
        return;
      case 'stranded':
        this.#stranded.set(arrival.name, arrival);
        this.#strandings.set(arrival.name, {
          times: (this.#strandings.get(arrival.name)?.times ?? 0) + 1,
          why: took.why,
        });
        this.#stumble(took.why.message);
        return;
      case 'later':
        this.#queue.putBack(arrival);
        this.#later(took.why);
        return;
      case 'gone':
      case 'changed':
        this.#queue.forget(arrival);
    }
  }

  /** A spool that cannot be read just now, or a full disk: what is claimed is looked after first when it can. */
  #stumble(error: unknown): void {
    this.#recovered = false;
    this.#tell({ why: String(error) }, 'the spool cannot be worked on; tried again');
    this.#putOff(this.#awayMs());
  }

  async #recover(): Promise<boolean> {
    // Whatever ends without a known end from here on asks for another time.
    this.#recovered = true;
    const running = new Set(this.#running.keys());
    await this.#putBackStranded();
    const waits = await recover(this.#room, running);
    if (waits === undefined) return this.#recovered;
    this.#recovered = false;
    this.#tell({ why: waits }, 'a task of before cannot be ended yet; nothing else is taken until it is');
    this.#putOff(this.#awayMs());
    return false;
  }

  /** @throws the first reason why one of them could not be */
  async #putBackStranded(): Promise<void> {
    if (this.#stranded.size === 0) return;
    // On a full disk one would be cleared, and undone, again and again.
    await probe(this.#options.folders);
    const failed: unknown[] = [];
    for (const [name, arrival] of this.#stranded)
      await this.#putBack(arrival).then(
        () => this.#stranded.delete(name),
        (error: unknown) => failed.push(error),
      );
    // One that could not be taken lies in the inbox, and comes first there.
    this.#queue.distrust();
    if (failed.length > 0) throw failed[0];
  }

  async #putBack(arrival: Arrival): Promise<void> {
    const claimedAt = new Date(this.#options.clock.now()).toISOString();
    const { times = 0, why } = this.#strandings.get(arrival.name) ?? {};
    const isClaimed = existsSync(join(this.#options.folders.claimed, arrival.name));
    if (why !== undefined && times >= STRANDINGS_MAX && isClaimed) {
      this.#strandings.delete(arrival.name);
      await denied(arrival, this.#room, claimedAt, refusal('task_invalid', `It cannot be taken: ${why.message}`));
      return;
    }
    const took = await back(arrival, this.#room, claimedAt, undefined);
    if (took.how === 'changed') this.#queue.putBack(arrival);
  }

  #later(why: Refusal): void {
    if (this.#stopping.signal.aborted) return;
    const who = why.code === 'internal' ? 'this node cannot judge them' : 'the controller cannot clear them';
    this.#tell({ why: why.message, hint: why.hint }, `tasks wait: ${who} now`);
    this.#putOff(why.code === 'rate_limited' ? RATE_MS : this.#awayMs());
  }

  #awayMs(): number {
    // Several that fail at once are one failure.
    if (this.#options.clock.mono() >= this.#notBeforeMono) this.#failures += 1;
    const ms = Math.min(AWAY_MS * 2 ** Math.min(this.#failures - 1, 10), AWAY_MS_MAX);
    return ms * (0.5 + this.#options.random() / 2);
  }

  #putOff(ms: number): void {
    this.#notBeforeMono = Math.max(this.#notBeforeMono, this.#options.clock.mono() + ms);
    // A timer may come up to a millisecond early.
    void sleep(Math.ceil(ms) + 1, undefined, { ref: false }).then(() => this.#wake());
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
    this.#queue.hear();
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
