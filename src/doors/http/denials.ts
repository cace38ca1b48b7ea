import type { Denial } from '../../core/node/denial.ts';

/** The same denial stands on record once in so many ms, with how often it came. */
const WINDOW_MS = 10_000;
/** Different ones at a time; more are counted as one. Whoever comes with a thousand names must not fill the ledger. */
const KINDS_MAX = 64;

/** So much of a message is put on record, characters: part of it may be what the caller sent. */
const MESSAGE_MAX = 300;

type Kind = Omit<Denial, 'times'>;

/** Brings denials on record: the first of its kind at once, those that follow together. */
export class Denials {
  readonly #record: (denial: Denial) => void;
  readonly #kinds = new Map<string, { kind: Kind; more: number }>();

  constructor(record: (denial: Denial) => void) {
    this.#record = record;
  }

  note(said: Kind): void {
    const kind = { ...said, message: said.message.slice(0, MESSAGE_MAX) };
    const key = [kind.peer, kind.as, kind.what, kind.code].join('\n');
    const known = this.#kinds.get(key);
    if (known !== undefined) {
      known.more += 1;
      return;
    }
    if (this.#kinds.size >= KINDS_MAX && kind.peer !== MANY.peer) return this.note({ ...MANY, code: kind.code });
    this.#record({ ...kind, times: 1 });
    const counted = { kind, more: 0 };
    this.#kinds.set(key, counted);
    const timer = setTimeout(() => this.#close(key, counted), WINDOW_MS);
    timer.unref();
  }

  /** What was counted and is not on record yet: the door is closing. */
  flush(): void {
    for (const [key, counted] of this.#kinds) this.#close(key, counted);
  }

  #close(key: string, { kind, more }: { readonly kind: Kind; readonly more: number }): void {
    if (!this.#kinds.delete(key)) return;
    if (more > 0) this.#record({ ...kind, times: more });
  }
}

const MANY = {
  peer: 'many',
  what: 'many things',
  message: 'More kinds of denials at once than are told apart.',
} as const;
