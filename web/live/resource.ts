import type { Refused } from '../api.ts';
import { Observed } from './observed.ts';

/** What is known of something the controller tells. A value outlives an error: better old than nothing, and the error is said. */
export interface Loaded<T> {
  readonly value?: T;
  readonly error?: Refused;
}

export interface ResourceOptions {
  /** Asked again so often while somebody looks, ms: for what changes without an event. */
  readonly everyMs?: number;
  /** How long what becomes outdated waits for more of the same, ms. */
  readonly gatherMs?: number;
}

const GATHER_MS = 80;

/** How long after a failure it is asked again. */
const RETRY_MS = 5_000;

/** Something the controller tells when asked, kept current for as long as somebody looks at it. */
export class Resource<T> {
  readonly state = new Observed<Loaded<T>>({});
  readonly #load: () => Promise<T>;
  readonly #options: ResourceOptions;
  #watchers = 0;
  #outdated = true;
  #loading = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #poll: ReturnType<typeof setInterval> | undefined;

  constructor(load: () => Promise<T>, options: ResourceOptions = {}) {
    this.#load = load;
    this.#options = options;
  }

  /** @returns what ends it */
  watch(): () => void {
    this.#watchers += 1;
    if (this.#watchers === 1) {
      if (this.#outdated) void this.#reload();
      const { everyMs } = this.#options;
      if (everyMs !== undefined) this.#poll = setInterval(() => this.invalidate(), everyMs);
    }
    let watching = true;
    return () => {
      if (!watching) return;
      watching = false;
      this.#watchers -= 1;
      if (this.#watchers === 0) clearInterval(this.#poll);
    };
  }

  /** It has changed, or may have: asked for again soon if somebody looks, else when somebody does. */
  invalidate(): void {
    this.#outdated = true;
    if (this.#watchers === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#watchers > 0) void this.#reload();
    }, this.#options.gatherMs ?? GATHER_MS);
  }

  async #reload(): Promise<void> {
    // Whoever is on the way already comes back before the change; it is asked once more then.
    if (this.#loading) return;
    this.#loading = true;
    while (this.#outdated) {
      this.#outdated = false;
      const { value: before } = this.state.value;
      try {
        this.state.set({ value: await this.#load() });
      } catch (error) {
        const refused = error as Refused;
        this.state.set({ ...(before === undefined ? {} : { value: before }), error: refused });
        if (refused.passes) {
          clearTimeout(this.#retry);
          this.#retry = setTimeout(() => this.invalidate(), RETRY_MS);
        }
      }
      if (this.#watchers === 0) break;
    }
    this.#loading = false;
  }
}
