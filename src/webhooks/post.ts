import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Lookup } from './target.ts';

/** One delivery: a CloudEvent in structured mode, so that the signature of the body covers all of it, attributes too. */
export interface Delivery {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly lookup: Lookup;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export type Delivered =
  | { readonly ok: true }
  /** `gone`: it says that it wants no more, ever. */
  | { readonly ok: false; readonly error: string; readonly gone: boolean };

/** What an answer says beside its status is of no interest, and no reader of ours is to see it: so much is let through, then cut off. */
const ANSWER_BYTES_MAX = 16 * 1024;

/** Sends it and waits for the status. Redirects are not followed: the address was allowed, where it points to was not. */
export function post({ url, headers, body, lookup, timeoutMs, signal }: Delivery): Promise<Delivered> {
  return new Promise((resolve) => {
    let late = false;
    const options: RequestOptions = {
      method: 'POST',
      agent: false,
      lookup,
      headers: {
        'content-type': 'application/cloudevents+json; charset=utf-8',
        'content-length': Buffer.byteLength(body),
        'user-agent': 'hauki',
        ...headers,
      },
    };
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, (response) => {
      const status = response.statusCode ?? 0;
      const why = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
      const done = (): void => {
        if (status >= 200 && status < 300) settle({ ok: true });
        else settle({ ok: false, error: `it answered ${status}${why}`, gone: status === 410 });
      };
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) response.destroy();
      });
      response.once('error', done).once('close', done);
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === undefined ? error.message : `${error.code} at ${url.host}`;
      settle({ ok: false, error: late ? `it did not answer within ${timeoutMs} ms` : why, gone: false });
    });
    const stop = (): void => void request.destroy(new Error('the controller stops'));
    const limit = setTimeout(() => {
      late = true;
      stop();
    }, timeoutMs);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    request.end(body);

    function settle(delivered: Delivered): void {
      clearTimeout(limit);
      signal.removeEventListener('abort', stop);
      resolve(delivered);
    }
  });
}
