import { traceFields } from '../base/traceparent.ts';
import { mutationOf } from '../core/selection.ts';
import type { Controller } from '../engine/controller.ts';
import type { Clock } from '../ports/clock.ts';
import type { LedgerRecord } from '../ports/ledger.ts';
import type { Log } from '../ports/log.ts';
import type { Webhook } from '../ports/webhooks.ts';
import { cloudEvent } from '../wire/view.ts';
import { type Delivered, post } from './post.ts';
import { signed } from './signature.ts';
import type { Store } from './store.ts';
import type { Targets } from './target.ts';

/** How patient a courier is. Times in ms. */
export interface Patience {
  /** Tries before an event is given up. */
  readonly triesMax: number;
  /** Before the second try; it doubles from there, up to `waitMsMax`. */
  readonly waitMs: number;
  readonly waitMsMax: number;
  /** How long the other end may take for one delivery. */
  readonly timeoutMs: number;
  /** A hook to which nothing could be delivered for so long is disabled. */
  readonly disableMs: number;
}

export const PATIENCE: Patience = {
  triesMax: 8,
  waitMs: 1_000,
  waitMsMax: 5 * 60_000,
  timeoutMs: 10_000,
  disableMs: 24 * 3_600_000,
};

export interface CourierOptions {
  readonly store: Store;
  readonly source: Pick<Controller, 'follow' | 'head' | 'identity'>;
  readonly targets: Targets;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly patience: Patience;
}

/** When the courier itself failed (a full disk): how long until it begins anew. */
const ANEW_MS = 5_000;

/**
 * Brings the events of one hook to it, one after the other. Every step is written down after it was taken, so what a crash interrupts is
 * taken once more: at least once, in order, never lost. Where it has got to stands in the store, and only there.
 */
export class Courier {
  readonly #id: string;
  readonly #options: CourierOptions;
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;
  #raising: Promise<void> = Promise.resolve();
  #sending = 0;

  constructor(id: string, options: CourierOptions) {
    this.#id = id;
    this.#options = options;
    this.raise();
    this.#ended = this.#run();
  }

  /** Something is on its way right now, and was not refused before. */
  get busy(): boolean {
    return this.#sending > 0 && this.#hook()?.failing === undefined;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#ended, this.#raising]);
  }

  /** Tries the dead letters that are marked for it, once each. */
  raise(): void {
    this.#raising = this.#raising.then(() => this.#raiseAll()).catch((error: unknown) => this.#tell(error));
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#follow();
        return;
      } catch (error) {
        this.#tell(error);
        await this.#wait(ANEW_MS);
      }
    }
  }

  async #follow(): Promise<void> {
    const { store, source, log } = this.#options;
    const hook = this.#hook();
    if (hook === undefined || hook.disabled !== undefined) return;
    const head = (await source.head())?.seq ?? 0;
    // The ledger was lost and is another one now: what it tells is news.
    if (hook.cursor > head) {
      log.warn(
        { webhook: hook.id, cursor: hook.cursor, head },
        'the ledger is shorter than what a webhook has heard: from the start',
      );
      store.moveTo(hook.id, 0);
    }
    const follow = {
      after: Math.min(hook.cursor, hook.cursor > head ? 0 : hook.cursor),
      selection: hook.selection,
      live: true,
      behindMax: Number.POSITIVE_INFINITY,
      signal: this.#stop.signal,
    };
    for await (const heard of source.follow(follow)) {
      if (heard.kind === 'position' && heard.seq > hook.cursor) store.moveTo(hook.id, heard.seq);
      if (heard.kind === 'record' && !(await this.#bring(heard.record))) return;
    }
  }

  /** @returns false when there is nothing more to be brought to this hook */
  async #bring(record: LedgerRecord): Promise<boolean> {
    const { store, clock, log, patience } = this.#options;
    const id = this.#id;
    for (;;) {
      const result = await this.#send(record);
      if (this.#stop.signal.aborted && !result.ok) return false;
      if (result.ok) {
        store.delivered(id, record.seq, clock.now());
        return true;
      }
      store.failed(id, result.error, clock.now());
      const failing = this.#hook()?.failing ?? { since: clock.now(), tries: 1, error: result.error };
      if (result.gone || clock.now() - failing.since >= patience.disableMs) {
        const why = result.gone
          ? 'it answered 410 Gone'
          : `nothing could be delivered for ${patience.disableMs} ms: ${result.error}`;
        store.disable(id, why);
        log.warn({ webhook: id, why }, 'a webhook was disabled');
        return false;
      }
      if (failing.tries >= patience.triesMax) {
        const { seq, event } = record;
        store.bury(id, { seq, type: event.type, at: clock.now(), tries: failing.tries, error: result.error });
        log.warn(
          { webhook: id, ...aboutOf(record), error: result.error },
          'an event could not be delivered and was given up',
        );
        return true;
      }
      await this.#wait(this.#backoffMs(failing.tries));
      if (this.#stop.signal.aborted) return false;
    }
  }

  async #raiseAll(): Promise<void> {
    const { store, source } = this.#options;
    for (;;) {
      const letter = this.#stop.signal.aborted ? undefined : store.nextRaised(this.#id);
      if (letter === undefined) return;
      const { seq } = letter;
      const one = { after: seq - 1, selection: {}, live: false, behindMax: 0, signal: this.#stop.signal };
      let result: Delivered = { ok: false, error: 'the ledger does not have it any more', gone: false };
      for await (const heard of source.follow(one)) {
        if (heard.kind !== 'record') continue;
        if (heard.record.seq === seq) result = await this.#send(heard.record);
        break;
      }
      if (this.#stop.signal.aborted && !result.ok) return;
      store.raised(this.#id, seq, result.ok ? undefined : result.error);
    }
  }

  async #send(record: LedgerRecord): Promise<Delivered> {
    const { store, source, targets, clock, patience } = this.#options;
    const hook = this.#hook();
    const url = targets.check(hook?.url ?? '');
    // It may have been allowed when it was added, and not be any more.
    if (!url.ok) return { ok: false, error: url.error.message, gone: false };
    const body = JSON.stringify(cloudEvent(record, source.identity.node));
    const id = `${record.seq}-${record.hash.slice(0, 16)}`;
    this.#sending += 1;
    try {
      return await post({
        url: url.value,
        headers: { ...signed(id, clock.now(), body, store.secretOf(this.#id)), ...traceHeader(record) },
        body,
        lookup: targets.lookup(),
        timeoutMs: patience.timeoutMs,
        signal: this.#stop.signal,
      });
    } finally {
      this.#sending -= 1;
    }
  }

  /** Doubling, and between half and all of that: many hooks that failed together must not come back together. */
  #backoffMs(tries: number): number {
    const { random, patience } = this.#options;
    const whole = Math.min(patience.waitMs * 2 ** (tries - 1), patience.waitMsMax);
    return whole / 2 + (whole / 2) * random();
  }

  #hook(): Webhook | undefined {
    return this.#options.store.find(this.#id);
  }

  #tell(error: unknown): void {
    this.#options.log.error({ webhook: this.#id, error: String(error) }, 'a webhook could not be served');
  }

  #wait(ms: number): Promise<void> {
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const cancel = this.#options.clock.after(ms, done);
      signal.addEventListener('abort', done);
      function done(): void {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }
}

/** The receiver's work is part of the same trace. */
function traceHeader({ event: { traceparent } }: LedgerRecord): Readonly<Record<string, string>> {
  return traceparent === undefined ? {} : { traceparent };
}

function aboutOf({ seq, event }: LedgerRecord): { readonly seq: number; readonly mutation?: string } {
  const mutation = mutationOf(event);
  return { seq, ...(mutation === undefined ? {} : { mutation }), ...traceFields(event.traceparent) };
}
