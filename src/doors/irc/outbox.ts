import type { Clock } from '../../ports/clock.ts';
import { type Bucket, fullBucket, type Pace, take, type Taken } from './flood.ts';

/** What goes first: a barrier's words, then answers to people, then the news. */
export type Urgency = 'control' | 'answer' | 'news';

const ORDER: readonly Urgency[] = ['control', 'answer', 'news'];
/** Lines that may wait; more are dropped, and counted. */
const WAITING_MAX: Readonly<Record<Urgency, number>> = { control: 256, answer: 64, news: 64 };
/** News and answers leave so much of a burst to a barrier. */
const SPARE = 3;

interface Waiting {
  /** Lines that it writes. */
  readonly count: number;
  readonly write: () => void;
  readonly settle: (sent: boolean) => void;
}

/** What waits to be said, let out no faster than the server stands. */
export class Outbox {
  readonly #pace: Pace;
  readonly #clock: Clock;
  readonly #waiting: Record<Urgency, Waiting[]> = { control: [], answer: [], news: [] };
  #bucket: Bucket;
  #open = false;
  #cancel: (() => void) | undefined;
  dropped = 0;

  constructor(pace: Pace, clock: Clock) {
    this.#pace = pace;
    this.#clock = clock;
    this.#bucket = fullBucket(pace, clock.mono());
  }

  /** A connection is there. */
  open(): void {
    this.#open = true;
    this.#bucket = fullBucket(this.#pace, this.#clock.mono());
  }

  /** The connection is gone: what waits is not said. */
  shut(): void {
    this.#open = false;
    this.#cancel?.();
    this.#cancel = undefined;
    for (const urgency of ORDER) for (const { settle } of this.#waiting[urgency].splice(0)) settle(false);
  }

  /**
   * @param count lines that it writes, one after the other
   * @returns whether it was written; false when there is no connection, or too much waits
   */
  post(urgency: Urgency, write: () => void, count = 1): Promise<boolean> {
    if (!this.#open || this.#waiting[urgency].length >= WAITING_MAX[urgency]) {
      this.dropped += 1;
      return Promise.resolve(false);
    }
    return new Promise((settle) => {
      this.#waiting[urgency].push({ count, write, settle });
      if (this.#cancel === undefined || urgency === 'control') this.#flow();
    });
  }

  /**
   * Now or never: what is worth nothing later must not stand in the way of what is urgent then.
   *
   * @returns whether it was written, which leaves enough for a barrier
   */
  offer(write: () => void, count: number): boolean {
    if (!this.#open || this.#waiting.control.length > 0) return false;
    const taken = this.#take(this.#spare, count);
    if (!taken.ok) return false;
    this.#bucket = taken.bucket;
    write();
    return true;
  }

  get #spare(): number {
    return Math.min(SPARE, this.#pace.burst - 1);
  }

  #take(spare: number, count: number): Taken {
    return take(this.#bucket, this.#pace, this.#clock.mono(), spare, count);
  }

  #flow(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (;;) {
      const urgency = ORDER.find((one) => this.#waiting[one].length > 0);
      if (urgency === undefined) return;
      const taken = this.#take(urgency === 'control' ? 0 : this.#spare, this.#waiting[urgency][0]?.count ?? 1);
      if (!taken.ok) {
        this.#cancel = this.#clock.after(taken.waitMs, () => this.#flow());
        return;
      }
      this.#bucket = taken.bucket;
      const next = this.#waiting[urgency].shift();
      next?.write();
      next?.settle(true);
    }
  }
}
