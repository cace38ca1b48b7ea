import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';

import { describe, expect, test } from 'vitest';

import {
  foreignRefusal,
  hostInUrl,
  otherPageRefusal,
  sessionCookie,
  sessionIn,
  strangeHostRefusal,
  wantedBy,
} from '../../../src/doors/http/browser.ts';

const request = (headers: IncomingHttpHeaders, secure = false, method = 'GET'): IncomingMessage =>
  ({
    headers,
    method,
    socket: secure ? (Object.create(TLSSocket.prototype) as TLSSocket) : {},
  }) as unknown as IncomingMessage;

const HOSTS = new Set(['10.0.0.7', 'storage.example', hostInUrl('fd00::7')]);
const OWN = { host: '127.0.0.1:7717' };
const PAGE = { ...OWN, 'x-hauki-page': '1' };

describe('a request that looks', () => {
  test.each([
    ['the address', OWN, false],
    ['a port that was led here', { host: 'localhost:9000' }, false],
    ['a name below localhost', { host: 'crm.localhost:7717' }, false],
    ['IPv6 loopback', { host: '[::1]:7717' }, false],
    ['the address of the listener', { host: '10.0.0.7:7717' }, false],
    ['a name of the mesh, in any case', { host: 'Storage.Example:7717' }, false],
    ['an IPv6 address of the listener', { host: '[fd00::7]:7717' }, false],
    ['its own page', { ...OWN, origin: 'http://127.0.0.1:7717', 'sec-fetch-site': 'same-origin' }, false],
    ['the address bar', { ...OWN, 'sec-fetch-site': 'none' }, false],
    ['no host', {}, true],
    ['a name that was made to lead here', { host: 'evil.example:7717' }, true],
    ['a name that only begins so', { host: 'localhost.evil.example' }, true],
    ['an address of another machine', { host: '10.0.0.8:7717' }, true],
    ['another port of this machine', { ...OWN, origin: 'http://127.0.0.1:3000' }, true],
    ['another scheme', { ...OWN, origin: 'https://127.0.0.1:7717' }, true],
    ['no page that says which', { ...OWN, origin: 'null' }, true],
    ['another site', { ...OWN, 'sec-fetch-site': 'cross-site' }, true],
    ['another port, by what the browser says', { ...OWN, 'sec-fetch-site': 'same-site' }, true],
  ])('from %s: refused %#', (_what, headers: IncomingHttpHeaders, refused) => {
    expect(foreignRefusal(request(headers), HOSTS, 'look')?.code).toBe(refused ? 'page_foreign' : undefined);
  });
});

test.each([
  ['localhost', false],
  ['localhost:8080', false],
  ['127.0.0.1:8080', false],
  ['[::1]:8080', false],
  ['hauki', false],
  ['evil.example:8080', true],
  ['10.0.0.7', true],
  ['[fd00::7]:80', true],
])('on the socket, a request to %s is one to a strange name: %s', (host, refused) => {
  expect(strangeHostRefusal(request({ host }))?.code).toBe(refused ? 'page_foreign' : undefined);
});

test('little of what a request says of itself is repeated', () => {
  const long = `${'x'.repeat(10_000)}.example`;
  const refused = [
    foreignRefusal(request({ host: long }), HOSTS, 'look'),
    foreignRefusal(request({ ...OWN, origin: `http://${long}` }), HOSTS, 'look'),
    strangeHostRefusal(request({ host: long })),
  ];
  for (const one of refused) expect(one?.message.length).toBeLessThan(300);
});

test('a request that changes something proves that the page’s own program made it', () => {
  expect(foreignRefusal(request(PAGE), HOSTS, 'change')).toBeUndefined();
  expect(foreignRefusal(request(OWN), HOSTS, 'change')?.message).toContain('x-hauki-page');
  expect(foreignRefusal(request({ ...OWN, 'x-hauki-page': 'yes' }), HOSTS, 'change')?.code).toBe('page_foreign');
  expect(foreignRefusal(request({ ...PAGE, origin: 'http://evil.example' }), HOSTS, 'change')?.code).toBe(
    'page_foreign',
  );
  expect(
    ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', undefined].map((method) =>
      wantedBy({ method } as IncomingMessage),
    ),
  ).toEqual(['look', 'look', 'change', 'change', 'change', 'change', 'change']);
});

test('over TLS the page’s own origin is https', () => {
  const origin = 'https://10.0.0.7:7717';
  expect(foreignRefusal(request({ host: '10.0.0.7:7717', origin }, true), HOSTS, 'look')).toBeUndefined();
  expect(foreignRefusal(request({ host: '10.0.0.7:7717', origin }, false), HOSTS, 'look')?.code).toBe('page_foreign');
});

test('what no browser sent is of no page', () => {
  expect(otherPageRefusal(request({ host: 'anything' }))).toBeUndefined();
  expect(otherPageRefusal(request({ host: 'localhost', origin: 'http://evil.example' }))?.code).toBe('page_foreign');
});

describe('the cookie', () => {
  test('is for this port, for no script and for no other site; over TLS only for TLS', () => {
    expect(sessionCookie(request(OWN), 'abc')).toBe('hauki_session_7717=abc; Path=/; HttpOnly; SameSite=Strict');
    expect(sessionCookie(request({ host: 'storage.example' }, true), 'abc')).toBe(
      'hauki_session=abc; Path=/; HttpOnly; SameSite=Strict; Secure',
    );
    expect(sessionCookie(request(OWN), undefined)).toMatch(/^hauki_session_7717=; .*; Max-Age=0$/);
  });

  test('is found among others', () => {
    const cookie = 'theme=dark; hauki_session_7718=other; hauki_session_7717=mine; hauki_session=none';
    expect(sessionIn(request({ ...OWN, cookie }))).toBe('mine');
    expect(sessionIn(request({ host: 'localhost', cookie }))).toBe('none');
    expect(sessionIn(request({ host: 'localhost:1', cookie }))).toBeUndefined();
    expect(sessionIn(request({ ...OWN, cookie: '=; hauki_session_7717; ;;' }))).toBeUndefined();
    expect(sessionIn(request(OWN))).toBeUndefined();
  });
});
