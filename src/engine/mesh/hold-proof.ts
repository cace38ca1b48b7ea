/** Orders that are remembered: some three of them are sent in the time a node stays halted without a word. */
const ORDERS_MAX = 16;

/**
 * Until when each node of a held barrier must still be halted, by what it has acknowledged: an order it has read puts its own deadline
 * off to `haltMs` after that was *sent*, at the earliest. Whoever has acknowledged nothing for longer may run.
 *
 * Of a barrier that an earlier controller opened, the nodes have acknowledged orders of that one, whose numbers say nothing about ours: the
 * first that a node names is where its own begin.
 */
export class HoldProof {
  readonly #haltMs: number;
  /** The oldest first. */
  readonly #sent: { readonly order: number; readonly mono: number }[] = [];
  readonly #untilMono: Map<string, number>;
  readonly #revived: boolean;
  /** What each node had acknowledged before it heard of this controller. */
  readonly #floor = new Map<string, number>();

  /**
   * @param mono they are halted now
   * @param revived whether another controller opened it
   */
  constructor(nodes: readonly string[], mono: number, haltMs: number, revived: boolean) {
    this.#haltMs = haltMs;
    this.#revived = revived;
    this.#untilMono = new Map(nodes.map((node) => [node, mono + haltMs]));
  }

  /** An order to stay halted goes to all of them. */
  sends(order: number, mono: number): void {
    this.#sent.push({ order, mono });
    if (this.#sent.length > ORDERS_MAX) this.#sent.shift();
  }

  /** The newest order to all of them. */
  get newestOrder(): number {
    return this.#sent.at(-1)?.order ?? 0;
  }

  /** A node says that it is halted, having read this order. */
  heard(node: string, ack: number): void {
    if (this.#revived && !this.#floor.has(node)) return void this.#floor.set(node, ack);
    const floor = this.#floor.get(node) ?? -1;
    const until = this.#untilMono.get(node);
    const read = this.#sent.findLast(({ order }) => order <= ack && order > floor);
    if (until === undefined || read === undefined) return;
    this.#untilMono.set(node, Math.max(until, read.mono + this.#haltMs));
  }

  /** Nodes that may run by now. */
  unproven(mono: number): string[] {
    return [...this.#untilMono].filter(([, until]) => mono >= until).map(([node]) => node);
  }
}
