import type { DatasetName } from '../../core/dataset.ts';
import { type Queued, startable } from '../../core/task/lanes.ts';
import { inOrder } from '../../core/task/name.ts';
import { queuedOf } from './claim.ts';
import type { Arrival, Inbox } from './inbox.ts';

/** While something waits, what came meanwhile is looked for so often, ms, and never for more than a fraction of the time. */
const LOOK_MS = 200;
const LOOK_SHARE = 5;
/** On FUSE nobody tells that something came. */
const LOOK_MS_MAX = 1_000;
/** Of so many that wait it is known what they change. */
const AHEAD_MAX = 64;

/** A task whose turn it is. */
export interface Next extends Queued {
  readonly arrival: Arrival;
}

/** What waits in an inbox, in order. */
export class TaskQueue {
  readonly #inbox: Inbox;
  readonly #own: readonly DatasetName[];
  readonly #mono: () => number;
  /** At the last look, and not begun since. */
  #waiting: readonly Arrival[] = [];
  /** Put back since: the inbox has to see them come to rest anew, and meanwhile nothing overtakes them. By name. */
  readonly #back = new Map<string, Arrival>();
  readonly #said = new WeakMap<Arrival, Queued>();
  /** When to look again, while something waits; and from when on that may be, should there be news. */
  #lookMono = 0;
  #soonestMono = 0;
  #news = 0;

  /** @param own what a task changes that does not say so itself */
  constructor(inbox: Inbox, own: readonly DatasetName[], mono: () => number) {
    this.#inbox = inbox;
    this.#own = own;
    this.#mono = mono;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Something may have come. */
  hear(): void {
    this.#news += 1;
    this.#lookMono = Math.min(this.#lookMono, this.#soonestMono);
  }

  /** It may be another file system by now. */
  distrust(): void {
    this.#waiting = [];
    this.hear();
  }

  /** Looks, when it is time to. @returns after how many ms it is again, unless there is news */
  async refresh(): Promise<number> {
    let againMs = LOOK_MS_MAX;
    if (this.#waiting.length === 0 || this.#mono() >= this.#lookMono) againMs = await this.#look();
    for (const arrival of this.#waiting.slice(0, AHEAD_MAX))
      if (!isKnown(this.#said.get(arrival))) this.#said.set(arrival, await queuedOf(arrival, this.#own));
    return this.#waiting.length === 0 ? againMs : Math.max(1, this.#lookMono - this.#mono());
  }

  /** Whose turn it is, as far as is known at this very moment. */
  next(running: readonly Queued[], max: number): Next[] {
    const known: Next[] = [];
    for (const arrival of this.#waiting) {
      const said = this.#said.get(arrival);
      // Nothing overtakes what it may conflict with.
      if (said === undefined) break;
      known.push({ ...said, arrival });
    }
    return startable(known, running, max);
  }

  begun({ arrival }: Next): void {
    this.#waiting = this.#waiting.filter((other) => other !== arrival);
    this.#back.delete(arrival.name);
  }

  /** Its turn comes again, and first. */
  putBack(arrival: Arrival): void {
    this.#back.set(arrival.name, arrival);
    this.#waiting = this.#merged(this.#waiting);
  }

  /** It was written to after all, or is gone. */
  forget(arrival: Arrival): void {
    this.#inbox.forget(fileOf(arrival));
    this.hear();
  }

  async #look(): Promise<number> {
    const begunMono = this.#mono();
    const news = this.#news;
    const { arrivals, againMs = LOOK_MS_MAX } = await this.#inbox.look();
    const lookedMono = this.#mono();
    this.#soonestMono = lookedMono + Math.max(LOOK_MS, LOOK_SHARE * (lookedMono - begunMono));
    // What came while it looked may not be in it.
    const soon = news !== this.#news;
    this.#lookMono = soon ? this.#soonestMono : Math.max(this.#soonestMono, lookedMono + againMs);
    for (const { name } of arrivals) this.#back.delete(name);
    this.#waiting = this.#merged(arrivals);
    return againMs;
  }

  #merged(arrivals: readonly Arrival[]): Arrival[] {
    const all = new Map([...arrivals, ...this.#back.values()].map((arrival) => [fileOf(arrival), arrival]));
    return inOrder([...all.keys()]).flatMap((file) => all.get(file) ?? []);
  }
}

/** What could not be read just now is asked again. */
function isKnown(said: Queued | undefined): boolean {
  return said !== undefined && !(said.alone && said.datasets.length === 0);
}

function fileOf({ path }: Arrival): string {
  const text = path.toString();
  return text.slice(text.lastIndexOf('/') + 1);
}
