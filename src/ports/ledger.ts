import type { Event } from '../core/event.ts';
import type { Place } from '../core/dataset.ts';
import type { Mutation, MutationId, Stage } from '../core/mutation/mutation.ts';
import type { State } from '../core/state.ts';

/** One link of the hash chain: `hash = sha256(prev ‖ "\n" ‖ seq ‖ "\n" ‖ body)`, body being the event as canonical JSON. */
export interface LedgerRecord {
  readonly seq: number;
  readonly event: Event;
  /** Lower-case hex, 64 characters. */
  readonly prev: string;
  readonly hash: string;
}

/** The newest record's place, signed by the controller: whoever holds a copy can prove later that nothing was cut off. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
  /** Base64 of an ed25519 signature over `hauki-ledger-head\n<seq>\n<hash>`. */
  readonly signature: string;
}

export interface MutationQuery {
  readonly node?: string;
  readonly since?: number;
  readonly outcome?: Stage;
  /** Newest first, at most this many. */
  readonly limit: number;
  /** Only mutations requested before this one: the next page. */
  readonly before?: MutationId;
}

/**
 * The append-only record, and what is known from it by question. `append` is durable when it resolves: after a power cut
 * either all of the batch is there, or none. It rejects when the batch could not be written, and then nothing of it was,
 * with a RefusedError `ledger_unavailable`; a later append can go through. (Where the disk failed in the very act of making it durable, a
 * restart may find the batch after all, whole and in its place. No effect of it was begun, so recovery ends it like any other.)
 */
export interface Ledger {
  /** The state as of the last append: everything that is not final, and the counters. */
  load(): Promise<State>;

  /**
   * Events of one turn, with the mutations they touched as they are now and the state they lead to. A mutation enters the ledger
   * with its `requested` or `rebuilt` event; touching one that never entered is a TypeError.
   */
  append(events: readonly Event[], touched: readonly Mutation[], state: State): Promise<readonly LedgerRecord[]>;

  find(id: MutationId): Promise<Mutation | undefined>;
  findByKey(key: string): Promise<Mutation | undefined>;

  /** Newest request first. */
  query(query: MutationQuery): Promise<readonly Mutation[]>;

  /** Mutations requested after this one whose datasets overlap with these, by name or by place, oldest first. */
  newerOverlapping(mutation: MutationId, datasets: readonly Place[]): Promise<readonly Mutation[]>;

  /** How many mutations ended how: `{ committed: 12, denied: 3, … }` */
  countByStage(): Promise<Readonly<Partial<Record<Stage, number>>>>;

  /** Records with `seq > after`, in order, at most `limit`. */
  records(after: number, limit: number): Promise<readonly LedgerRecord[]>;

  /** The records of one mutation, in order. */
  recordsOf(id: MutationId): Promise<readonly LedgerRecord[]>;

  head(): Promise<Head | undefined>;
  close(): Promise<void>;
}
