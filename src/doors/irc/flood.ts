/** How fast something may happen: so many at once, and then so many a second. */
export interface Pace {
  readonly burst: number;
  readonly perSecond: number;
}

/** A token bucket: `tokens` there were at `at` (monotonic, ms). */
export interface Bucket {
  readonly tokens: number;
  readonly at: number;
}

export function fullBucket(pace: Pace, now: number): Bucket {
  return { tokens: pace.burst, at: now };
}

export type Taken =
  | { readonly ok: true; readonly bucket: Bucket }
  /** Not yet: in so many ms at the earliest. */
  | { readonly ok: false; readonly waitMs: number };

/**
 * @param spare tokens that have to stay for what is more urgent
 * @param count taken at once; of more than a burst the rest is owed
 */
export function take(bucket: Bucket, pace: Pace, now: number, spare = 0, count = 1): Taken {
  const tokens = Math.min(pace.burst, bucket.tokens + (Math.max(0, now - bucket.at) * pace.perSecond) / 1_000);
  const needed = Math.min(count + spare, pace.burst);
  if (tokens >= needed) return { ok: true, bucket: { tokens: tokens - count, at: now } };
  return { ok: false, waitMs: Math.ceil(((needed - tokens) / pace.perSecond) * 1_000) };
}

/** A bucket for each of many people, of whom only the latest are remembered. */
export class Paces {
  readonly #pace: Pace;
  readonly #most: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(pace: Pace, most: number) {
    this.#pace = pace;
    this.#most = most;
  }

  /** @returns whether it may happen now */
  take(who: string, now: number): boolean {
    const taken = take(this.#buckets.get(who) ?? fullBucket(this.#pace, now), this.#pace, now);
    if (!taken.ok) return false;
    // Set anew, so that the map's order is that of their last words.
    this.#buckets.delete(who);
    this.#buckets.set(who, taken.bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > this.#most && oldest !== undefined) this.#buckets.delete(oldest);
    return true;
  }
}
