import type { Event } from '../core/event.ts';
import type { Mutation, MutationId } from '../core/mutation/mutation.ts';
import { asksForSubject, mutationOf, type Selection, selects, type Subject } from '../core/selection.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger, LedgerRecord } from '../ports/ledger.ts';
import type { Feed } from './feed.ts';

export interface Follow {
  /** Only records after this one. */
  readonly after: number;
  readonly selection: Selection;
  /** false: end after the records there are. */
  readonly live: boolean;
  /** How many records one that had caught up may fall behind again. */
  readonly behindMax: number;
  readonly signal: AbortSignal;
}

/** What a follower hears. */
export type Heard =
  | { readonly kind: 'record'; readonly record: LedgerRecord }
  /** Everything up to this record was looked at: whoever comes back after it misses nothing. */
  | { readonly kind: 'position'; readonly seq: number }
  /** It fell too far behind, and what comes after is not told any more. The ledger has it: resume after `from - 1`. */
  | { readonly kind: 'missed'; readonly from: number; readonly to: number };

export interface FollowSource {
  readonly ledger: Pick<Ledger, 'records' | 'head'>;
  readonly feed: Feed;
  readonly clock: Clock;
  readonly find: (mutation: MutationId) => Promise<Mutation | undefined>;
}

/** Records read from the ledger at a time. */
const PAGE = 500;
/** Records that a follower keeps at hand when they happen. */
const FRESH_MAX = 32;
const POSITION_MS = 15_000;
const SUBJECTS_MAX = 1_000;

/**
 * The ledger from a cursor on, then live. Always read from the ledger, the feed being only the bell that rings: so nothing is
 * missed, nothing is buffered for a slow reader, and order is the ledger's. The position is said first of all, after each page
 * of which nothing was selected, and now and then while there is nothing else to say.
 */
export async function* following(source: FollowSource, follow: Follow): AsyncGenerator<Heard, void, undefined> {
  const { ledger, clock } = source;
  const { signal, selection } = follow;
  const bell = new Bell(source.feed, signal);
  const subjects = new Subjects(source.find);
  let cursor = follow.after;
  let said = cursor;
  let caughtUp = false;
  const position = (): Heard => ({ kind: 'position', seq: (said = cursor) });
  try {
    yield position();
    while (!signal.aborted) {
      bell.hush();
      const head = (await ledger.head())?.seq ?? 0;
      if (caughtUp && head - cursor > follow.behindMax) {
        yield { kind: 'missed', from: cursor + 1, to: head };
        return;
      }
      const fresh = follow.live ? bell.since(cursor) : undefined;
      const page = fresh ?? (await ledger.records(cursor, PAGE));
      for (const record of page) {
        const subject = asksForSubject(selection) ? await subjects.of(record.event) : undefined;
        cursor = record.seq;
        if (!selects(selection, record.event, subject)) continue;
        yield { kind: 'record', record };
        said = cursor;
        if (signal.aborted) return;
      }
      if (fresh === undefined && page.length === PAGE) {
        if (cursor - said >= PAGE) yield position();
        // A long way to catch up must not keep the rest of the controller from its work.
        await new Promise<void>((resolve) => clock.soon(resolve));
        continue;
      }
      caughtUp = true;
      if (!follow.live) {
        if (said < cursor) yield position();
        return;
      }
      if ((await bell.rings(clock, POSITION_MS)) === 'late' && said < cursor) yield position();
    }
  } finally {
    bell.end();
  }
}

/**
 * Rings when something was recorded, or the follower wants to leave; remembers that it rang while nobody listened. It has the last few
 * records at hand, which all followers share, so that a thousand who are up to date do not read the ledger for every event.
 */
class Bell {
  readonly #end: () => void;
  #fresh: LedgerRecord[] = [];
  #tooMany = false;
  #rung = false;
  #wake = (): void => undefined;

  constructor(feed: Feed, signal: AbortSignal) {
    const ring = (): void => {
      this.#rung = true;
      this.#wake();
    };
    const unsubscribe = feed.subscribe((record) => {
      if (this.#fresh.length < FRESH_MAX) this.#fresh.push(record);
      else this.#tooMany = true;
      ring();
    });
    signal.addEventListener('abort', ring);
    this.#end = () => {
      unsubscribe();
      signal.removeEventListener('abort', ring);
    };
  }

  /** The records right after this one; undefined when the ledger has to be read for them. */
  since(cursor: number): readonly LedgerRecord[] | undefined {
    const fresh = this.#fresh.filter(({ seq }) => seq > cursor);
    // What did not find room has rung as well, and is still to be read.
    if (this.#tooMany) this.#rung = true;
    this.#tooMany = false;
    this.#fresh = [];
    return fresh[0]?.seq === cursor + 1 ? fresh : undefined;
  }

  hush(): void {
    this.#rung = false;
  }

  async rings(clock: Clock, msMax: number): Promise<'rung' | 'late'> {
    if (this.#rung) return 'rung';
    return new Promise((resolve) => {
      const cancel = clock.after(msMax, () => resolve('late'));
      this.#wake = () => {
        cancel();
        resolve('rung');
      };
    });
  }

  end(): void {
    this.#end();
  }
}

/** Node and datasets of mutations, each asked for once as long as it is among the last that were. */
class Subjects {
  readonly #find: FollowSource['find'];
  readonly #known = new Map<MutationId, Subject | undefined>();

  constructor(find: FollowSource['find']) {
    this.#find = find;
  }

  async of(event: Event): Promise<Subject | undefined> {
    if ('request' in event) return this.#remember(event.mutation, event.request);
    const id = mutationOf(event);
    if (id === undefined || this.#known.has(id)) return id === undefined ? undefined : this.#known.get(id);
    return this.#remember(id, await this.#find(id));
  }

  #remember(id: MutationId, subject: Subject | undefined): Subject | undefined {
    const kept = subject === undefined ? undefined : { node: subject.node, datasets: subject.datasets };
    this.#known.set(id, kept);
    const [oldest] = this.#known.keys();
    if (this.#known.size > SUBJECTS_MAX && oldest !== undefined) this.#known.delete(oldest);
    return kept;
  }
}
