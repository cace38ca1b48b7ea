import { createParser } from 'eventsource-parser';

import { PAGE_HEADERS, refusalOf } from '../api.ts';

/** A CloudEvent, as far as this page reads it. */
export interface Happened {
  readonly id: string;
  /** `hauki.cleared` and so on. */
  readonly type: string;
  readonly time: string;
  readonly data: { readonly type: string; readonly [member: string]: unknown };
}

/**
 * How the stream of events stands.
 *
 * - `connecting`: for the first time, or after nobody looked
 * - `live`: what is shown is what is
 * - `stale`: the connection was lost at `since`, and is tried again; what is shown may be old
 * - `refused`: the controller will not have it; nothing more is tried
 */
export type Connection =
  | { readonly state: 'connecting' | 'live' }
  | { readonly state: 'stale'; readonly since: number; readonly tries: number }
  | { readonly state: 'refused'; readonly why: string; readonly code: string };

export interface Listener {
  readonly happened: (event: Happened) => void;
  readonly connection: (connection: Connection) => void;
  /** Events were missed, or may have been: everything is to be asked for anew. */
  readonly lost: () => void;
}

export interface StreamOptions {
  readonly fetch?: typeof fetch;
  /** Wall clock, ms since the epoch. */
  readonly now?: () => number;
  /** After so long without a word the connection counts as lost: the controller says something every 15 s. */
  readonly silentMs?: number;
  readonly backoffMs?: (tries: number) => number;
}

const SILENT_MS = 40_000;

/**
 * Follows what happens, from now on. A connection that breaks is made again and resumes after the last event that was heard
 * (Last-Event-ID), so nothing is missed. By fetch and not by EventSource, which neither says why it was refused nor notices a line that
 * is dead but not closed.
 */
export class EventStream {
  readonly #listener: Listener;
  readonly #options: Required<StreamOptions>;
  #cursor: string | undefined;
  #tries = 0;
  #lostAt: number | undefined;
  #ended = false;
  #attempt: AbortController | undefined;
  #wake: (() => void) | undefined;
  #resting = false;
  #rouse: (() => void) | undefined;

  constructor(listener: Listener, options: StreamOptions = {}) {
    this.#listener = listener;
    this.#options = {
      fetch: options.fetch ?? ((...args) => fetch(...args)),
      now: options.now ?? Date.now,
      silentMs: options.silentMs ?? SILENT_MS,
      backoffMs: options.backoffMs ?? backoffMs,
    };
  }

  /** Ends only when it is refused, or told to end. */
  async run(): Promise<void> {
    this.#listener.connection({ state: 'connecting' });
    while (!this.#ended) {
      if (this.#resting) await this.#rested();
      if (this.#isOver()) return;
      const refused = await this.#once();
      if (this.#isOver()) return;
      if (refused !== undefined) {
        this.#listener.connection({ state: 'refused', ...refused });
        return;
      }
      // Let go of, and not lost.
      if (this.#resting) continue;
      this.#lostAt ??= this.#options.now();
      this.#tries += 1;
      this.#listener.connection({ state: 'stale', since: this.#lostAt, tries: this.#tries });
      await this.#pause(this.#options.backoffMs(this.#tries));
    }
  }

  /** The network is back, say, or somebody looks again: not to wait any longer. */
  nudge(): void {
    this.#wake?.();
  }

  /** Nobody looks: the connection is let go, because over HTTP/1.1 all tabs of a browser share six. */
  rest(): void {
    this.#resting = true;
    this.#attempt?.abort();
    this.#wake?.();
  }

  /** Somebody looks again: it resumes after the last event that was heard. */
  resume(): void {
    this.#resting = false;
    this.#rouse?.();
  }

  end(): void {
    this.#ended = true;
    this.#attempt?.abort();
    this.#wake?.();
    this.#rouse?.();
  }

  /** `end` may have been called meanwhile, which the compiler does not see. */
  #isOver(): boolean {
    return this.#ended;
  }

  /** One connection, until it is lost. @returns why there will not be another */
  async #once(): Promise<{ readonly code: string; readonly why: string } | undefined> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    let watchdog = setTimeout(() => attempt.abort(), this.#options.silentMs);
    try {
      const headers = this.#cursor === undefined ? PAGE_HEADERS : { ...PAGE_HEADERS, 'last-event-id': this.#cursor };
      const response = await this.#options.fetch('/v1/events', {
        headers: { accept: 'text/event-stream', ...headers },
        signal: attempt.signal,
      });
      if (!response.ok || response.body === null) return await this.#refused(response);
      this.#opened();
      const parser = createParser({
        onEvent: ({ id, event, data }) => this.#heard(id, event ?? '', data),
      });
      const reader = response.body.getReader();
      const text = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return undefined;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => attempt.abort(), this.#options.silentMs);
        parser.feed(text.decode(value, { stream: true }));
      }
    } catch {
      // It broke, or was given up: either way it is tried again.
      return undefined;
    } finally {
      clearTimeout(watchdog);
      attempt.abort();
    }
  }

  #opened(): void {
    // Whoever begins at the end knows nothing of what was before: also after a time without a cursor.
    if (this.#cursor === undefined) this.#listener.lost();
    this.#tries = 0;
    this.#lostAt = undefined;
    this.#listener.connection({ state: 'live' });
  }

  #heard(id: string | undefined, type: string, data: string): void {
    if (type === 'hauki.stream.missed') {
      this.#cursor = undefined;
      return;
    }
    if (id !== undefined && id !== '') this.#cursor = id;
    if (!type.startsWith('hauki.')) return;
    this.#listener.happened(JSON.parse(data) as Happened);
  }

  async #refused(response: Response): Promise<{ readonly code: string; readonly why: string } | undefined> {
    const { code, message } = await refusalOf(response);
    // The ledger is another one than before: all that was known is void.
    if (code === 'cursor_ahead') this.#cursor = undefined;
    return response.status === 401 || response.status === 403 ? { code, why: message } : undefined;
  }

  async #rested(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#rouse = resolve;
    });
    if (!this.#ended) this.#listener.connection({ state: 'connecting' });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** 0.5 s, then twice as long each time up to 10 s; spread, so that not every open page comes at once. */
function backoffMs(tries: number): number {
  return Math.min(10_000, 500 * 2 ** (tries - 1)) * (0.75 + Math.random() / 2);
}
