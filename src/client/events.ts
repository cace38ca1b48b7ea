import { createParser } from 'eventsource-parser';
import { RefusedError } from '../base/refusal.ts';
import type { CloudEvent } from '../wire/view.ts';
import type { Client } from './client.ts';

/** Which events: as in `GET /v1/events`. */
export interface EventsQuery {
  /** Only events after this one of the ledger; without it, those that happen from now on. */
  readonly after?: number;
  /** Types, separated by commas, `*` for any letters: `cleared,rollback*`. */
  readonly type?: string;
  /** Of mutations of this node. */
  readonly node?: string;
  /** About this dataset, or one inside it. */
  readonly dataset?: string;
  readonly mutation?: string;
}

export interface EventsOptions {
  readonly signal?: AbortSignal;
  /** Told that the connection broke, and that another is tried. */
  readonly lost?: () => void;
}

const RETRY_MS = 1_000;
/** The controller says something every 15 s; a connection that is silent for longer than this leads nowhere any more. */
const SILENT_MS_MAX = 60_000;

/**
 * Events as they happen, in the ledger's order, without gaps or doubles. A connection that broke, or that the controller closed
 * because its reader was slow, is followed by another from where this one was. Ends when `signal` aborts, or by leaving the loop.
 *
 * @throws RefusedError when the first connection fails, or a later one is refused
 */
export async function* eventsFrom(
  client: Client,
  { after, ...filter }: EventsQuery,
  { signal, lost }: EventsOptions = {},
): AsyncGenerator<CloudEvent, void, undefined> {
  let cursor = after;
  for (let connections = 0; signal?.aborted !== true; connections += 1) {
    try {
      const query = { ...filter, ...(cursor === undefined ? {} : { after: String(cursor) }) };
      const response = await client.eventStream(query, signal);
      response.setTimeout(SILENT_MS_MAX, () => response.destroy());
      try {
        for await (const { seq, event } of messages(response)) {
          cursor = seq ?? cursor;
          if (event !== undefined) yield event;
        }
      } finally {
        response.destroy();
      }
    } catch (error) {
      if (signal?.aborted) return;
      const broke = !(error instanceof RefusedError) || error.code === 'controller_unreachable';
      if (!broke || (connections === 0 && error instanceof RefusedError)) throw error;
    }
    if (signal?.aborted) return;
    lost?.();
    await pause(signal);
  }
}

/** What a stream says: events, and between them the position reached, which has no event of its own. */
interface Message {
  readonly seq: number | undefined;
  readonly event?: CloudEvent;
}

async function* messages(response: AsyncIterable<unknown> & { setEncoding(encoding: 'utf8'): unknown }) {
  let found: Message[] = [];
  const parser = createParser({
    // What is about the stream itself has no id.
    onEvent: ({ id, data }) => {
      if (id !== undefined) found.push({ seq: Number(id), event: JSON.parse(data) as CloudEvent });
    },
    onComment: (text) => {
      const position = /^position (\d+)$/.exec(text)?.[1];
      if (position !== undefined) found.push({ seq: Number(position) });
    },
  });
  response.setEncoding('utf8');
  for await (const chunk of response) {
    parser.feed(chunk as string);
    const ready = found;
    found = [];
    yield* ready;
  }
}

async function pause(signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(wake, RETRY_MS);
    signal?.addEventListener('abort', wake, { once: true });
    function wake(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      resolve();
    }
  });
}
