import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { join } from 'node:path';

import type { Place } from './place.ts';

/** Where a request goes: the Unix socket of a place, or a URL. */
export type To = { readonly socketPath: string } | { readonly url: string };

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The text as JSON; undefined when it is none. */
  readonly json: unknown;
}

export interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is when it is text or bytes, else as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

export function socketOf({ home }: Place): To {
  return { socketPath: join(home, 'controller.sock') };
}

/** One request, whole answer. */
export async function ask(to: To, method: string, path: string, options: Ask = {}): Promise<Answer> {
  const response = await openStream(to, method, path, options);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return { status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) };
}

/** One request whose answer goes on. */
export function openStream(
  to: To,
  method: string,
  path: string,
  { headers = {}, body, signal }: Ask = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
    const type = body === undefined || isRaw ? {} : { 'content-type': 'application/json' };
    const options = {
      method,
      agent: false as const,
      headers: { ...type, ...headers },
      ...(signal === undefined ? {} : { signal }),
    };
    const request =
      'url' in to
        ? httpRequest(new URL(path, to.url), options, resolve)
        : httpRequest({ ...options, socketPath: to.socketPath, path }, resolve);
    request.once('error', reject);
    if (body === undefined) request.end();
    else request.end(isRaw ? body : JSON.stringify(body));
  });
}

/** The lines of a stream that goes on, as they come. */
export async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  try {
    for await (const chunk of response) {
      rest += chunk as string;
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } catch {
    // It broke off: there are no more lines.
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
