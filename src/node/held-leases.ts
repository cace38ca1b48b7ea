import { refusal, type Refusal } from '../base/refusal.ts';
import type { Clock } from '../ports/clock.ts';
import type { Heartbeat, LeaseWord } from '../ports/mesh.ts';

/** A clearance, by what its holder has to show. */
export type Holding = Heartbeat['leases'][number];

/** What a holder hears of its clearance. */
export interface Holder {
  /** @param endsMono it lasts until then at least, on the holder's own monotonic clock, ms */
  readonly renewed: (endsMono: number) => void;
  /** It is not, or no longer, the holder's. */
  readonly lost: (reason: Refusal) => void;
}

/** A way to keep clearances besides asking for each: the heartbeats of a node, on which they ride. */
export interface Renewals {
  /** Only clearances of this node can be kept by it. */
  readonly node: string;
  /** Heartbeats name the clearance from now on, and the holder hears what the controller answers. @returns what ends that */
  hold(holding: Holding, holder: Holder): () => void;
}

/** A heartbeat names so many, which is what a controller reads; whoever comes after them is kept as without heartbeats. */
const NAMED_MAX = 256;
/** An answer to one older than this many heartbeats says nothing any more. */
const SENT_MAX = 64;

/**
 * The clearances that one node holds. Nothing is compared between two clocks: the controller answers a heartbeat with how long a lease
 * lasts, and that is counted from when the heartbeat was *sent*, which was before the controller knew of it.
 */
export class HeldLeases implements Renewals {
  readonly node: string;
  readonly #clock: Pick<Clock, 'mono'>;
  readonly #held = new Map<string, { readonly holding: Holding; readonly holder: Holder }>();
  /** When heartbeats were sent, by their number; the oldest first. */
  readonly #sentMono = new Map<number, number>();

  constructor(node: string, clock: Pick<Clock, 'mono'>) {
    this.node = node;
    this.#clock = clock;
  }

  /** What a heartbeat names. */
  get named(): Holding[] {
    return [...this.#held.values()].slice(0, NAMED_MAX).map(({ holding }) => holding);
  }

  /** A heartbeat is about to be sent. */
  sends(seq: number): void {
    if (this.#held.size === 0) return;
    this.#sentMono.set(seq, this.#clock.mono());
    const [oldest] = this.#sentMono.keys();
    if (oldest !== undefined && this.#sentMono.size > SENT_MAX) this.#sentMono.delete(oldest);
  }

  hold(holding: Holding, holder: Holder): () => void {
    const mine = { holding, holder };
    this.#held.set(holding.mutation, mine);
    return () => {
      if (this.#held.get(holding.mutation) === mine) this.#held.delete(holding.mutation);
    };
  }

  /** What the controller says. Of what is not held (any more), it says nothing. */
  hear(word: LeaseWord): void {
    const held = this.#held.get(word.mutation);
    if (held?.holding.fence !== word.fence) return;
    if (word.type === 'lease_lost') {
      this.#held.delete(word.mutation);
      return held.holder.lost(refusal('lease_lost', word.words));
    }
    const sentMono = this.#sentMono.get(word.seq);
    if (sentMono !== undefined) held.holder.renewed(sentMono + word.lastsMs);
  }
}
