/** A message whose parts come line by line. All of them are signed, so only their sender can fill it. */
export class Assembly {
  readonly number: number;
  readonly #kind: string;
  readonly #begunAt: number;
  readonly #parts: (Buffer | undefined)[];

  constructor({ number, parts, kind, now }: Part) {
    this.number = number;
    this.#kind = kind;
    this.#begunAt = now;
    this.#parts = Array.from({ length: parts }, () => undefined);
  }

  /** Whether the part belongs to this message, and comes in time. */
  accepts({ number, parts, kind, now }: Part): boolean {
    const inTime = now - this.#begunAt <= ASSEMBLY_MS_MAX;
    return inTime && number === this.number && parts === this.#parts.length && kind === this.#kind;
  }

  take({ part, bytes }: Part): Whole | 'part' | 'replayed' {
    if (this.#parts[part - 1] !== undefined) return 'replayed';
    this.#parts[part - 1] = bytes;
    const there = this.#parts.filter((one) => one !== undefined);
    return there.length === this.#parts.length ? { payload: Buffer.concat(there) } : 'part';
  }
}

/** How long a message's parts may take, ms. */
const ASSEMBLY_MS_MAX = 30_000;

export interface Part {
  readonly kind: string;
  readonly number: number;
  /** 1 to `parts`. */
  readonly part: number;
  readonly parts: number;
  readonly bytes: Buffer;
  /** Wall clock, ms. */
  readonly now: number;
}

export interface Whole {
  readonly payload: Buffer;
}
