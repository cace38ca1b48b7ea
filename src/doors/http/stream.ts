import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply } from 'fastify';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { type Selection, typesOf } from '../../core/selection.ts';
import type { Controller } from '../../engine/controller.ts';
import type { Heard } from '../../engine/following.ts';
import type { EventsQuery } from '../../wire/events.ts';
import type { Missed } from '../../wire/view.ts';

/** How slow a reader of events may be. */
export interface StreamLimits {
  /** Records that a reader who had caught up may fall behind. */
  readonly behindMax: number;
  /** How long a full connection may take nothing at all, ms. */
  readonly stallMs: number;
}

export const STREAM_LIMITS: StreamLimits = { behindMax: 10_000, stallMs: 30_000 };

/** How long a reader whose stream has ended may still read what is on its way, ms. */
export const LINGER_MS = 5_000;

/** The controller's log, with what it missed. */
export const LET_GO = 'a reader of events was too slow and was let go';

/** What carries events to one reader: server-sent events or a WebSocket. */
export interface Carrier {
  /** @returns false when it is full: what was sent is on its way, and nothing more is to be sent before `drained` */
  readonly send: (heard: Exclude<Heard, { kind: 'missed' }>) => boolean;
  /** Waits until it takes more, but no longer than that. */
  readonly drained: (msMax: number) => Promise<'drained' | 'stalled' | 'gone'>;
  /** Everything that was asked for has been sent. */
  readonly done: () => void;
  /** Tells it what it missed, and lets it go. */
  readonly leave: (missed: Missed) => void;
}

/**
 * Sends one reader what it asked for, at its own pace: one event more than fits into the connection's buffer is the most that is
 * held for it. A reader that is too slow is told from where to resume, and let go: only it can say whether it wants what it missed or
 * what is now, and with the cursor it can have either. One that catches up from long ago is not slow, as long as it reads.
 *
 * @returns what it was told to have missed
 */
export async function stream(
  controller: Controller,
  carrier: Carrier,
  asked: { readonly after: number; readonly query: EventsQuery; readonly signal: AbortSignal },
  { behindMax, stallMs }: StreamLimits,
): Promise<Missed | undefined> {
  const { after, query, signal } = asked;
  const leave = (from: number, to: number): Missed => {
    const missed = { from, to, after: from - 1 };
    carrier.leave(missed);
    return missed;
  };
  const live = query.follow !== 'false';
  for await (const heard of controller.follow({ after, selection: selectionOf(query), live, behindMax, signal })) {
    if (heard.kind === 'missed') return leave(heard.from, heard.to);
    if (carrier.send(heard)) continue;
    const how = await carrier.drained(stallMs);
    if (how === 'gone') return undefined;
    if (how === 'stalled') {
      const at = heard.kind === 'record' ? heard.record.seq : heard.seq;
      return leave(at + 1, (await controller.head())?.seq ?? at);
    }
  }
  carrier.done();
  return undefined;
}

/** Where a stream begins: after Last-Event-ID, which goes before the cursor of the address, as a browser sends both; else at the end. */
export async function beginning(
  controller: Controller,
  query: EventsQuery,
  headers: IncomingHttpHeaders,
): Promise<Result<number, Refusal>> {
  const header = headers['last-event-id'];
  const resume = typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
  const head = (await controller.head())?.seq ?? 0;
  const after = resume ?? query.after ?? head;
  if (after <= head) return ok(after);
  return err(refusal('cursor_ahead', `The ledger ends at ${head}, and the stream was to go on after ${after}.`));
}

export function selectionOf({ type, node, dataset, mutation }: Omit<EventsQuery, 'after' | 'follow'>): Selection {
  return {
    ...(type === undefined ? {} : { types: typesOf(type) }),
    ...(node === undefined ? {} : { node }),
    ...(dataset === undefined ? {} : { dataset }),
    ...(mutation === undefined ? {} : { mutation }),
  };
}

/** Ends server-sent events. Who does not read to the end would keep them in memory for as long as it likes, so it is cut off. */
export function endEvents({ sse, raw }: Pick<FastifyReply, 'sse' | 'raw'>): void {
  sse.close();
  setTimeout(() => raw.destroy(), LINGER_MS).unref();
}

/**
 * Waits for the moment a full connection takes more.
 *
 * @param on registers what is called then, or (`gone`) when it closes; returns what takes that back
 */
export async function waiting(
  on: (drained: () => void, gone: () => void) => () => void,
  msMax: number,
): Promise<'drained' | 'stalled' | 'gone'> {
  let timer: NodeJS.Timeout | undefined;
  let off: (() => void) | undefined;
  try {
    return await new Promise((resolve) => {
      timer = setTimeout(() => resolve('stalled'), msMax);
      // Either may be called at once, where the connection is gone already.
      off = on(
        () => resolve('drained'),
        () => resolve('gone'),
      );
    });
  } finally {
    clearTimeout(timer);
    off?.();
  }
}
