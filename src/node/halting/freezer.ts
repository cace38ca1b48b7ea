import { rm } from 'node:fs/promises';

import * as z from 'zod';

import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { readObject, replaceFile } from '../heartbeat/file.ts';
import type { Freezing } from './flush.ts';
import { Freezable, type Handle, handleOf } from './freezable.ts';
import { whyNotToFreeze } from './own.ts';
import { type Watchdog, watch } from './watchdog.ts';

export interface FreezerOptions {
  readonly things: readonly Freezable[];
  /** The longest that anything stays frozen, ms. */
  readonly limitMs: number;
  /** Remembers what is frozen, for whoever comes after this process. */
  readonly stateFile: string;
  /** When the node runs again by itself; the clock's monotonic ms. */
  readonly untilMono: () => number | undefined;
  /** Something is not frozen any more, though nobody here thawed it. */
  readonly broke: (why: string) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly handleOf?: typeof handleOf;
}

/** A watchdog acts so much later than the node would itself, ms. */
const MARGIN_MS = 1_000;
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 30_000;

const State = z.object({ frozen: z.array(Freezable) });

/**
 * Freezes what the node's configuration names, and sees to it that it runs again: by its limit, by the node's own deadline, by a
 * watchdog when the node cannot, and by whoever starts the node anew.
 */
export class Freezer implements Freezing {
  readonly #options: FreezerOptions;
  readonly #frozen = new Map<Handle, Watchdog | undefined>();
  #sinceMono = 0;
  #cancelLimit: () => void = () => {};
  #cancelRetry: () => void = () => {};
  #renewing = false;
  #thawing: Promise<void> | undefined;
  readonly #handleOf: typeof handleOf;

  constructor(options: FreezerOptions) {
    this.#options = options;
    this.#handleOf = options.handleOf ?? handleOf;
  }

  /** What is frozen, in words. */
  get frozen(): string[] {
    return [...this.#frozen.keys()].map(({ words }) => words);
  }

  async freeze(signal: AbortSignal): Promise<string | undefined> {
    const { things, limitMs, stateFile, clock } = this.#options;
    if (things.length === 0) return undefined;
    // One that is still at work would thaw what is frozen now, and forget it.
    await this.#thawing;
    if (this.#frozen.size > 0) return `${this.frozen.join(', ')} could not be thawed since the last time`;
    const handles = things.map((thing) => this.#handleOf(thing));
    for (const handle of handles) {
      const why = await handle.group().then(whyNotToFreeze).catch(wordsOf);
      if (why !== undefined) return `${handle.words} is not frozen: ${why}`;
    }
    try {
      await replaceFile(stateFile, `${JSON.stringify({ frozen: things })}\n`);
    } catch (error) {
      return `nothing is frozen that could not be remembered in ${stateFile}: ${wordsOf(error)}`;
    }
    this.#sinceMono = clock.mono();
    this.#cancelLimit = clock.after(limitMs, () =>
      this.#options.broke(`something was frozen for ${limitMs} ms, its limit`),
    );
    for (const handle of handles) {
      const why = await this.#freezeOne(handle, signal);
      if (why === undefined) continue;
      await this.thaw();
      return `${handle.words} could not be frozen: ${why}`;
    }
    return undefined;
  }

  /** Does not fail: what does not thaw is tried again and again. */
  async thaw(): Promise<void> {
    this.#cancelLimit();
    this.#cancelRetry();
    await this.#thawAll(RETRY_MS);
  }

  /** The node's deadline is a later one now. */
  extend(): void {
    if (this.#frozen.size === 0 || this.#renewing) return;
    this.#renewing = true;
    void this.#renew().finally(() => (this.#renewing = false));
  }

  /** Thaws what an earlier run left frozen. @returns what that was */
  async recover(): Promise<string[]> {
    const state = State.safeParse(await readObject(this.#options.stateFile));
    if (!state.success) return [];
    for (const thing of state.data.frozen) this.#frozen.set(this.#handleOf(thing), undefined);
    const words = this.frozen;
    await this.thaw();
    return words;
  }

  /** Nothing is tried any more. What is still frozen stands in the state file. */
  stop(): void {
    this.#cancelLimit();
    this.#cancelRetry();
  }

  async #freezeOne(handle: Handle, signal: AbortSignal): Promise<string | undefined> {
    try {
      // The way back first.
      this.#frozen.set(handle, await this.#watch(handle));
      return signal.aborted ? 'called off' : await handle.freeze(signal);
    } catch (error) {
      return wordsOf(error);
    }
  }

  #watch(handle: Handle): Promise<Watchdog> {
    const { clock, limitMs, untilMono, broke } = this.#options;
    const limit = this.#sinceMono + limitMs;
    const until = Math.min(limit, untilMono() ?? limit);
    const ms = Math.max(0, until - clock.mono()) + MARGIN_MS;
    return watch(handle.thawArgv, ms, () => {
      if (this.#frozen.has(handle)) broke(`${handle.words} was thawed by its watchdog`);
    });
  }

  async #renew(): Promise<void> {
    for (const [handle, before] of this.#frozen) {
      try {
        const next = await this.#watch(handle);
        before?.dismiss();
        if (this.#frozen.get(handle) === before) this.#frozen.set(handle, next);
        else next.dismiss();
      } catch (error) {
        // The one before still stands, and will act too early: then it is known.
        this.#options.log.warn({ what: handle.words, why: wordsOf(error) }, 'a watchdog could not be renewed');
      }
    }
  }

  /** One at a time: who comes meanwhile waits for the one that is at work. */
  #thawAll(retryMs: number): Promise<void> {
    this.#thawing ??= this.#thawOnce(retryMs).finally(() => (this.#thawing = undefined));
    return this.#thawing;
  }

  async #thawOnce(retryMs: number): Promise<void> {
    const { log, clock, stateFile } = this.#options;
    if (this.#frozen.size === 0) return;
    for (const [handle] of [...this.#frozen].toReversed()) {
      const why = await handle.thaw();
      if (why === undefined) {
        this.#frozen.get(handle)?.dismiss();
        this.#frozen.delete(handle);
      } else log.error({ what: handle.words, why, againMs: retryMs }, 'something frozen could not be thawed');
    }
    if (this.#frozen.size === 0) return rm(stateFile, { force: true }).catch(() => undefined);
    this.#cancelRetry = clock.after(retryMs, () => void this.#thawAll(Math.min(RETRY_MS_MAX, retryMs * 2)));
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
