import { gunzipSync } from 'node:zlib';

import Fastify, { type FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';

import { notFoundHandler } from '../../../src/doors/http/answers.ts';
import { type PageFiles, pageRoutes } from '../../../src/doors/http/page.ts';

const FILES = new Map([
  ['index.html', '<!doctype html><title>the page</title>'],
  ['assets/main-1a2b.js', 'export const it = 1;'],
  ['assets/main-1a2b.css', 'body { margin: 0 }'],
  ['assets/icon-1a2b.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>'],
  ['secret', 'not to be had'],
]);

function serving(files: PageFiles | undefined = new Map([...FILES].map(([name, text]) => [name, Buffer.from(text)]))) {
  const app: FastifyInstance = Fastify();
  app.setNotFoundHandler(notFoundHandler);
  pageRoutes(app, { page: () => files });
  return app;
}

test('shows the page, under a policy that lets nothing from elsewhere run', async () => {
  const { statusCode, headers, body } = await serving().inject('/');
  expect([statusCode, body]).toEqual([200, FILES.get('index.html')]);
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-cache',
  });
});

test.each([
  ['main-1a2b.js', 'text/javascript; charset=utf-8'],
  ['main-1a2b.css', 'text/css; charset=utf-8'],
  ['icon-1a2b.svg', 'image/svg+xml'],
])('asset %s is %s, and kept for ever', async (name, type) => {
  const { statusCode, headers, body } = await serving().inject(`/assets/${name}`);
  expect([statusCode, body, headers['content-type']]).toEqual([200, FILES.get(`assets/${name}`), type]);
  expect(headers['cache-control']).toBe('public, max-age=31536000, immutable');
  expect(headers['x-content-type-options']).toBe('nosniff');
});

test.each([
  '/assets/nothing.js',
  '/assets/',
  '/assets/../secret',
  '/assets/..%2fsecret',
  '/assets/%2e%2e%2fsecret',
  '/assets/..%5csecret',
  '/assets/%00',
  '/secret',
  '/index.html',
  '//etc/passwd',
])('%s is not there', async (url) => {
  const { statusCode, json } = await serving().inject(url);
  expect([statusCode, json<{ code: string }>().code]).toEqual([404, 'route_unknown']);
});

test('is only looked at', async () => {
  const app = serving();
  expect((await app.inject({ method: 'HEAD', url: '/' })).statusCode).toBe(200);
  expect((await app.inject({ method: 'HEAD', url: '/' })).body).toBe('');
  for (const method of ['POST', 'PUT', 'DELETE'] as const)
    expect((await app.inject({ method, url: '/' })).statusCode).toBe(404);
});

test('comes packed for whom takes that, and not again for whom has it', async () => {
  const app = serving();
  const packed = await app.inject({ url: '/', headers: { 'accept-encoding': 'br, gzip;q=0.8' } });
  expect(packed.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding' });
  expect(gunzipSync(packed.rawPayload).toString()).toBe(FILES.get('index.html'));
  const refused = await app.inject({ url: '/', headers: { 'accept-encoding': 'gzip;q=0' } });
  expect(refused.headers['content-encoding']).toBeUndefined();
  const again = await app.inject({ url: '/', headers: { 'if-none-match': String(packed.headers.etag) } });
  expect([again.statusCode, again.body]).toEqual([304, '']);
});

test('where nothing was built there is nothing', async () => {
  const app = Fastify();
  app.setNotFoundHandler(notFoundHandler);
  pageRoutes(app, { page: () => undefined });
  expect((await app.inject('/')).statusCode).toBe(404);
});
