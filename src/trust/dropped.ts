const SAY_MS = 10_000;
/** Addresses named in one line of the log. */
const NAMED_MAX = 10;

/** What was turned away lately, by why; and some of the addresses it came from. */
export interface DroppedPeers {
  readonly network: number;
  readonly crowd: number;
  readonly handshake: number;
  readonly peers: readonly string[];
}

/** Counts who is turned away before TLS, and says so once in a while: junk must cost less to receive than to send. */
export class Dropped {
  readonly #say: (about: DroppedPeers) => void;
  #counts = { network: 0, crowd: 0, handshake: 0 };
  #peers = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(say: (about: DroppedPeers) => void) {
    this.#say = say;
  }

  readonly count = (peer: string, why: 'network' | 'crowd' | 'handshake'): void => {
    this.#counts[why] += 1;
    if (peer !== '' && this.#peers.size < NAMED_MAX) this.#peers.add(peer);
    if (this.#timer !== undefined) return;
    // The first at once, for whoever is looking right now; then no more than once in a while.
    this.#report();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#report();
    }, SAY_MS).unref();
  };

  #report(): void {
    if (Object.values(this.#counts).every((count) => count === 0)) return;
    this.#say({ ...this.#counts, peers: [...this.#peers] });
    this.#counts = { network: 0, crowd: 0, handshake: 0 };
    this.#peers = new Set();
  }
}
