/**
 * What controller and nodes say to one another in a barrier. The same over every carrier (WebSocket link, IRC); how it looks on the
 * wire stands in `src/wire/link.ts`. Durations only: no two clocks are ever compared.
 */

/** A barrier's number: the fencing token of the critical mutation it is for. So it only grows, also over a lost ledger. */
export type Epoch = number;

/** Controller → node. `order` grows with every order of a controller to a node; the node's pulses say which it has seen. */
export type Order =
  /**
   * HALT AND FLUSH: stop, flush, and stay halted for `forMs` from when this is read. Said again for the same epoch it only begins
   * those `forMs` anew: that is how a barrier lasts longer than one deadline while its controller lives.
   */
  | {
      readonly type: 'halt';
      readonly epoch: Epoch;
      readonly order: number;
      readonly forMs: number;
      readonly intent: string;
    }
  /** The snapshot is taken, or the barrier is off: go on. */
  | { readonly type: 'resume'; readonly epoch: Epoch; readonly order: number };

/** Where a node stands in barriers: part of each heartbeat, and sent at once whenever it changes. */
export interface Pulse {
  /** Of this run of the node's process: a node that was restarted has forgotten that it was halted. */
  readonly boot: string;
  readonly state: NodeState;
  /** The newest epoch it knows of; 0 when there was none. */
  readonly epoch: Epoch;
  /** The newest order it has seen. */
  readonly ack: number;
  /** While running: how its newest epoch ended for it. Held: it was halted from its flush until it read RESUME. */
  readonly held?: boolean;
  /** Why it did not hold, or could not flush. */
  readonly why?: string;
  /** How long its flush took, ms. */
  readonly flushMs?: number;
}

export type NodeState = 'running' | 'flushing' | 'halted';
