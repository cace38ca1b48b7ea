import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { notFoundHandler } from './answers.ts';

/** The files of a page by their path: `index.html`, `assets/main-1a2b.js`. */
export type PageFiles = ReadonlyMap<string, Uint8Array>;

export interface PageOptions {
  /** Asked with the first request for one of them; undefined: there is no page here. */
  readonly page: () => PageFiles | undefined;
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  woff2: 'font/woff2',
};
/** What is no smaller afterwards. */
const PACKED = new Set(['png', 'woff2']);

/** Only what came from here runs, and nobody else shows it inside a page of theirs. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** The name of an asset carries the hash of its content: what it was once, it stays. */
const FOREVER = 'public, max-age=31536000, immutable';

interface Served {
  readonly bytes: Uint8Array;
  readonly gzipped: Uint8Array | undefined;
  readonly type: string;
  readonly tag: string;
}

/**
 * The page a controller serves to browsers, before anybody has logged in: it says nothing of this controller. From memory, by exact name,
 * so no path leads anywhere else.
 */
export function pageRoutes(app: FastifyInstance, { page }: PageOptions): void {
  const served = new Map<string, Served>();
  const fileOf = (name: string): Served | undefined => {
    const known = served.get(name);
    if (known !== undefined) return known;
    const bytes = page()?.get(name);
    if (bytes === undefined) return undefined;
    const file = servedFrom(name, bytes);
    served.set(name, file);
    return file;
  };
  const send = (request: FastifyRequest, reply: FastifyReply, name: string, keep: string): FastifyReply => {
    const file = fileOf(name);
    if (file === undefined) {
      notFoundHandler(request, reply);
      return reply;
    }
    const { bytes, gzipped, type, tag } = file;
    void reply.headers({ ...HEADERS, 'content-type': type, 'cache-control': keep, etag: tag, vary: 'accept-encoding' });
    if (request.headers['if-none-match'] === tag) return reply.code(304).send();
    const packed = gzipped !== undefined && takesGzip(request) ? gzipped : undefined;
    if (packed !== undefined) void reply.header('content-encoding', 'gzip');
    return reply.send(Buffer.from(packed ?? bytes));
  };

  const open = { config: { needs: ['anyone'] as const }, schema: { hide: true } };
  app.get('/', open, (request, reply) => send(request, reply, 'index.html', 'no-cache'));
  app.get<{ Params: { readonly name: string } }>('/assets/:name', open, (request, reply) =>
    send(request, reply, `assets/${request.params.name}`, FOREVER),
  );
}

function servedFrom(name: string, bytes: Uint8Array): Served {
  const ending = name.slice(name.lastIndexOf('.') + 1);
  return {
    bytes,
    gzipped: PACKED.has(ending) ? undefined : gzipSync(bytes, { level: 9 }),
    type: TYPES[ending] ?? 'application/octet-stream',
    tag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
  };
}

/** `gzip;q=0` is a no. */
function takesGzip({ headers }: FastifyRequest): boolean {
  const taken = (headers['accept-encoding'] ?? '').split(',');
  return taken.some((one) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$)|$)/i.test(one));
}
