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
    const limit = AbortSignal.timeout(timeoutMs);
    const failed = (error: string, gone = false): void => resolve({ ok: false, error, gone });
    const options: RequestOptions = {
      method: 'POST',
      agent: false,
      lookup,
      signal: AbortSignal.any([limit, signal]),
      headers: {
        'content-type': 'application/cloudevents+json; charset=utf-8',
        'content-length': Buffer.byteLength(body),
        'user-agent': 'hauki',
        ...headers,
      },
    };
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, (response) => {
      const status = response.statusCode ?? 0;
      const done = (): void => {
        if (status >= 200 && status < 300) resolve({ ok: true });
        else
          failed(
            `it answered ${status}${status >= 300 && status < 400 ? ', and redirects are not followed' : ''}`,
            status === 410,
          );
      };
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) response.destroy();
      });
      response.once('error', done).once('close', done);
    });
    request.once('error', (error: NodeJS.ErrnoException) => {
      if (limit.aborted) failed(`it did not answer within ${timeoutMs} ms`);
      else
        failed(error.code === undefined || error.code === 'ABORT_ERR' ? error.message : `${error.code} at ${url.host}`);
    });
    request.end(body);
  });
}
