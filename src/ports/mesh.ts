import type { Refusal } from '../base/refusal.ts';
import type { Result } from '../base/result.ts';
import type { Wanted } from '../core/barrier/barrier.ts';
import type { Epoch, Order, Pulse } from '../core/barrier/message.ts';
import type { Broken } from '../core/barrier/round.ts';
import type { FlushedNode } from '../core/event.ts';
import type { MutationId } from '../core/mutation/mutation.ts';

/** What a node says of itself every `everyMs`, and at once when its part in a barrier changes. */
export interface Heartbeat {
  /** Grows by one with each heartbeat of one run of the node's process, whatever carries it. */
  readonly seq: number;
  /** How often it speaks, ms, by what carries its words at the moment; undefined: every two seconds. */
  readonly everyMs?: number;
  readonly pulse: Pulse;
  /** The node's hauki version. */
  readonly version: string;
  /** The node's wall clock, ms since the epoch: for people. Nothing is decided by it. */
  readonly at: number;
  /** Ms since the node's process began. */
  readonly uptimeMs: number;
  /** The task that runs, if one does. */
  readonly task?: string;
  /** Load average over a minute. */
  readonly load: number;
  /** Of the node's process, resident. */
  readonly memoryBytes: number;
  /** Clearances the node holds and wants to keep: a heartbeat renews them. */
  readonly leases: readonly { readonly mutation: MutationId; readonly fence: number }[];
}

/** What a controller answers about a clearance that a heartbeat named. */
export type LeaseWord =
  | {
      readonly type: 'renewed';
      readonly mutation: MutationId;
      readonly fence: number;
      /** Of the heartbeat that is answered. */
      readonly seq: number;
      /** How long the lease lasts from now on, ms: a node counts it from when it sent that heartbeat. */
      readonly lastsMs: number;
    }
  /** It is not the node's, or no more: the work under it has to stop. */
  | { readonly type: 'lease_lost'; readonly mutation: MutationId; readonly fence: number; readonly words: string };

/** Something that takes orders to nodes, at once and without waiting; what cannot be sent is lost, and is sent again by whoever cares. */
export interface Carrier {
  /** For people: `link`, `irc`. */
  readonly name: string;
  /** Whether a node can be reached this way at the moment, as far as anybody knows. */
  reaches(node: string): boolean;
  /** To those of the nodes that it reaches. */
  send(nodes: readonly string[], order: Order): void;
  /** An answer to a node's heartbeat, where it is reached. Not there: this carrier takes orders only. */
  tell?(node: string, word: LeaseWord): void;
  /** Has a node do something that is no part of a barrier, and waits for its answer. Not there: this carrier takes orders only. */
  command?(node: string, ask: NodeAsk): Promise<Result<NodeAnswered, Refusal>>;
}

/** Something that a node's task said, or how it stands. */
export interface TaskPiece {
  readonly task: string;
  readonly mutation?: string | undefined;
  readonly state?: 'running' | 'done' | 'failed' | 'denied' | undefined;
  /** What became of it, for people. */
  readonly words?: string | undefined;
  readonly text?: string | undefined;
  /** So many characters after `text` are not told. */
  readonly leftOut?: number | undefined;
}

/** A task on its way to a node's inbox. */
export interface TaskDrop {
  /** What it is called. */
  readonly task: string;
  /** Its bytes, base64. */
  readonly content: string;
  /** As ssh-keygen makes it: armoured text. A node takes nothing over its link without one. */
  readonly signature?: string | undefined;
}

/** `ping` only answers; `thaw` ends whatever the node is halted for; `poll` looks for work now; `drop` is a task for its inbox. */
export type NodeAsk = { readonly verb: 'ping' | 'thaw' | 'poll' } | { readonly verb: 'drop'; readonly drop: TaskDrop };

export interface NodeAnswered {
  /** False: the node would not. */
  readonly ok: boolean;
  readonly words?: string | undefined;
  /** Why it would not, where that has a code. */
  readonly refusal?: Refusal | undefined;
}

/** A distributed memory barrier over the mesh's nodes. */
export interface Barrier {
  /**
   * HALT AND FLUSH. Done when every node has said that it has flushed and is halted, and they stay so for as long as `keep` names the
   * epoch. Refused, with the nodes and why: `node_lost` before anybody is halted, `flush_failed` after.
   */
  halt(round: BarrierRound): Promise<Result<readonly FlushedNode[], Refusal>>;

  /**
   * The snapshot is taken: done when every node has said that it never ran between its flush and now. Refused as `barrier_broken`.
   *
   * @param hold the nodes stay halted; otherwise they go on
   */
  verify(epoch: Epoch, hold: boolean): Promise<Result<void, Refusal>>;

  /** The barriers there are. Whoever is halted for any other is told to go on. */
  keep(barriers: readonly Wanted[]): void;

  /** Who is told, once for each, that a barrier verified to be held is not any more: nodes ran in it, or may have. */
  whenBroken(listener: (epoch: Epoch, nodes: readonly Broken[]) => void): void;
}

export interface BarrierRound {
  readonly epoch: Epoch;
  readonly nodes: readonly string[];
  readonly intent: string;
  /** How long the nodes have for their flush, ms. */
  readonly flushMsMax: number;
}
