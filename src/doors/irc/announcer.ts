import type { Event } from '../../core/event.ts';
import type { Controller } from '../../engine/controller.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Head, LedgerRecord } from '../../ports/ledger.ts';
import type { Log } from '../../ports/log.ts';
import { type About, linesFor } from '../../wire/irc/events.ts';
import { headLine } from '../../wire/irc/witness.ts';
import type { Cursor } from './cursor.ts';

/** What the announcer needs of a connection. */
export interface Voice {
  isIn(channel: string): boolean;
  say(urgency: 'news', target: string, text: string): Promise<boolean>;
  /** Whether the server has taken in all that was said so far. */
  heard(channel: string): Promise<boolean>;
}

export interface AnnouncerOptions {
  readonly controller: Pick<Controller, 'engine' | 'find' | 'head' | 'records'>;
  readonly voice: Voice;
  readonly channel: string;
  readonly cursor: Cursor;
  /** The ledger's head is announced at most so often, ms. */
  readonly headMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Records read from the ledger at a time. */
const PAGE = 50;
/** Further behind than so many records, the channel is told how many were skipped instead of all of them. */
const BEHIND_MAX = 100;
/** So many of the newest are told then. */
const CAUGHT_UP = 10;
const HEARD_PAUSE_MS = 1_000;

/** Kept from the channel, because a lease is renewed every few seconds and nobody would read anything else any more. */
const QUIET: ReadonlySet<Event['type']> = new Set<Event['type']>(['renewed']);

/** What people must not miss among records that are skipped. */
const GRAVE: ReadonlySet<Event['type']> = new Set<Event['type']>([
  'denied',
  'quarantined',
  'rolled_back',
  'seal_refused',
  'node_revoked',
  'access_denied',
]);

/**
 * Tells a channel what the ledger says, in its order. Always reads the ledger; the feed is only the bell that rings. Where it is, it
 * remembers only when the server has answered for it: what was said to a server that died is said again.
 */
export class Announcer {
  readonly #options: AnnouncerOptions;
  #said: number | undefined;
  #heard = 0;
  #joins = 0;
  #asking = false;
  #headAt: number | undefined;
  #headSeq = 0;
  #ring: (() => void) | undefined;
  #rung = false;
  #stopped = false;
  #mute = false;
  #cursorLost = false;
  #done: Promise<void> = Promise.resolve();
  #unsubscribe = (): void => {};

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unsubscribe = this.#options.controller.engine.feed.subscribe(() => this.wake());
    this.#done = this.#run();
  }

  /** The channel was joined: what its server has not answered for was perhaps never told there. */
  joined(): void {
    this.#joins += 1;
    this.#said = this.#said === undefined ? undefined : this.#heard;
    this.wake();
  }

  /** Something may be there to tell. */
  wake(): void {
    this.#rung = true;
    this.#ring?.();
  }

  /** Ends it; what was not told yet is told after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    this.wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#rung = false;
      let waitMs: number | undefined;
      try {
        waitMs = await this.#tell();
      } catch (error) {
        // The ledger cannot be read just now. Nobody but the channel depends on it.
        if (!this.#mute) this.#options.log.warn({ error: String(error) }, 'IRC: the news cannot be told');
        this.#mute = true;
        waitMs = 5_000;
      }
      if (!this.#rung && !this.#stopped) await this.#bell(waitMs);
    }
  }

  /** Tells all there is to tell. @returns after how many ms to look again, if nobody rings before */
  async #tell(): Promise<number | undefined> {
    const { voice, channel, controller } = this.#options;
    let said = await this.#begin();
    if (!voice.isIn(channel)) return undefined;
    const joins = this.#joins;
    const newest = (await controller.head())?.seq ?? 0;
    if (said > newest) said = await this.#ledgerIsShorter(said, newest);
    else if (newest - said > BEHIND_MAX) said = await this.#skip(said, newest);
    if (joins !== this.#joins) return undefined;
    this.#said = said;
    for (;;) {
      const page = await controller.records(said, PAGE);
      for (const record of page) {
        if (!(await this.#announce(record)) || joins !== this.#joins) return undefined;
        said = record.seq;
        this.#said = said;
      }
      void this.#beHeard();
      if (page.length < PAGE) break;
      // What came meanwhile may be more than can be told.
      if (((await controller.head())?.seq ?? 0) - said > BEHIND_MAX) return 0;
    }
    this.#mute = false;
    return this.#tellHead(await controller.head());
  }

  /** Where to begin: where it ended, or, the first time, at the newest record there is. */
  async #begin(): Promise<number> {
    if (this.#said !== undefined) return this.#said;
    const newest = (await this.#options.controller.head())?.seq ?? 0;
    this.#heard = this.#options.cursor.read() ?? Math.max(0, newest - 1);
    this.#said = this.#heard;
    return this.#said;
  }

  async #announce({ event }: LedgerRecord): Promise<boolean> {
    if (QUIET.has(event.type)) return true;
    for (const line of linesFor(event, await this.#about(event))) if (!(await this.#say(line))) return false;
    return true;
  }

  async #about(event: Event): Promise<About | undefined> {
    return 'mutation' in event ? this.#options.controller.find(event.mutation) : undefined;
  }

  #say(text: string): Promise<boolean> {
    return this.#options.voice.say('news', this.#options.channel, text);
  }

  /** One line instead of a flood. */
  async #skip(said: number, newest: number): Promise<number> {
    const last = newest - CAUGHT_UP;
    const grave = new Map<Event['type'], number>();
    for (let at = said; at < last;) {
      const page = await this.#options.controller.records(at, Math.min(500, last - at));
      for (const { event } of page) if (GRAVE.has(event.type)) grave.set(event.type, (grave.get(event.type) ?? 0) + 1);
      at = page.at(-1)?.seq ?? last;
    }
    const among = [...grave].map(([type, count]) => `${count} ${type.replaceAll('_', ' ')}`).join(', ');
    const told = await this.#say(
      `Skipped ${last - said} records (${said + 1} to ${last})${among === '' ? '' : `, among them ${among}`}. All of them: hauki watch --after ${said}`,
    );
    return told ? last : said;
  }

  /** What was announced here is not in the ledger any more. */
  async #ledgerIsShorter(said: number, newest: number): Promise<number> {
    this.#options.log.error({ announced: said, newest }, 'IRC: records that were announced are not in the ledger');
    const told = await this.#say(
      `WARNING: records up to ${said} were announced here, and the ledger ends at ${newest}. It was cut, or another one was put in its place: hauki audit witness`,
    );
    if (told) this.#heard = newest;
    return told ? newest : said;
  }

  async #tellHead(head: Head | undefined): Promise<number | undefined> {
    const { clock, headMs } = this.#options;
    if (head === undefined || head.seq <= this.#headSeq) return undefined;
    const dueInMs = this.#headAt === undefined ? 0 : this.#headAt + headMs - clock.mono();
    if (dueInMs > 0) return dueInMs;
    if (await this.#say(headLine(head))) {
      this.#headAt = clock.mono();
      this.#headSeq = head.seq;
    }
    return undefined;
  }

  /** Keeps the cursor behind what the server has taken in. */
  async #beHeard(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      while (!this.#stopped && (this.#said ?? 0) > this.#heard) {
        const upTo = this.#said ?? 0;
        if (!(await this.#options.voice.heard(this.#options.channel))) return;
        this.#heard = upTo;
        this.#keep(upTo);
        await new Promise<void>((resolve) => this.#options.clock.after(HEARD_PAUSE_MS, resolve));
      }
    } finally {
      this.#asking = false;
    }
  }

  /** Where the cursor cannot be kept, because the disk is full, the next run tells again what this one told. */
  #keep(seq: number): void {
    try {
      this.#options.cursor.write(seq);
      this.#cursorLost = false;
    } catch (error) {
      if (!this.#cursorLost) this.#options.log.warn({ error: String(error) }, 'IRC: where the news are cannot be kept');
      this.#cursorLost = true;
    }
  }

  #bell(ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const cancel = ms === undefined ? undefined : this.#options.clock.after(ms, () => this.#ring?.());
      this.#ring = (): void => {
        this.#ring = undefined;
        cancel?.();
        resolve();
      };
    });
  }
}
