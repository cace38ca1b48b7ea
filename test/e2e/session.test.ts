import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { SessionView } from '../../src/wire/session.ts';
import { until } from '../until.ts';
import { type Answer, ask, openStream, socketOf, type To } from './http.ts';
import { openPlace, place, type Place } from './place.ts';

/* A browser at a real controller: it shows a token once, and then its cookie. */

let shared: Place;
let remote: { readonly url: string };
let secret: string;

beforeAll(async () => {
  shared = openPlace();
  const { stdout } = await shared.controller();
  remote = { url: (JSON.parse(stdout()) as { url: string }).url };
  secret = readFileSync(join(shared.home, 'token'), 'utf8').trim();
});
afterAll(() => shared.close());

const PAGE = { 'x-hauki-page': '1' };

async function logIn(token: string, to: To = remote): Promise<{ readonly answer: Answer; readonly cookie: string }> {
  const answer = await ask(to, 'POST', '/v1/session', { body: { token }, headers: PAGE });
  return { answer, cookie: answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '' };
}

async function tokenFor(name: string, ...scopes: string[]): Promise<string> {
  const answer = await ask(socketOf(shared), 'POST', '/v1/tokens', { body: { name, scopes } });
  return (answer.json as { token: string }).token;
}

const asWhom = async (headers: Record<string, string>, to: To = remote): Promise<SessionView> =>
  (await ask(to, 'GET', '/v1/session', { headers })).json as SessionView;

describe('the page', () => {
  test('is shown to anybody, whole, and asks nothing of elsewhere', async () => {
    const { status, text, headers } = await ask(remote, 'GET', '/');
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    const named = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path);
    expect(named.length).toBeGreaterThan(0);
    for (const path of named) {
      expect(path).toMatch(/^\/assets\//);
      expect((await ask(remote, 'GET', path)).status).toBe(200);
    }
    expect(text).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son\w+=/);
  });
});

describe('a session', () => {
  test('is begun with the operator’s token, and may what the operator may', async () => {
    const { answer, cookie } = await logIn(secret);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(answer.headers['set-cookie']?.[0]).toMatch(
      /^hauki_session_\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    const { principal, scopes, until: ends } = await asWhom({ cookie });
    expect([principal, scopes]).toEqual(['operator', ['read', 'guard', 'operate', 'admin']]);
    expect((Date.parse(ends ?? '') - Date.now()) / 3_600_000).toBeCloseTo(12, 1);
    const status = await ask(remote, 'GET', '/v1/status', { headers: { cookie } });
    expect([status.status, status.headers['cache-control']]).toEqual([200, 'no-store']);
    const pruned = await ask(remote, 'POST', '/v1/prune', { headers: { cookie, ...PAGE }, body: { dryRun: true } });
    expect(pruned.status).toBe(200);
  });

  test('of an API token may what that may, and ends with it', async () => {
    const { cookie } = await logIn(await tokenFor('watcher', 'read'));
    expect(await asWhom({ cookie })).toMatchObject({ principal: 'token watcher', scopes: ['read'] });
    const headers = { cookie, ...PAGE };
    expect(await ask(remote, 'POST', '/v1/prune', { headers, body: {} })).toMatchObject({ status: 403 });
    await ask(socketOf(shared), 'DELETE', '/v1/tokens/watcher');
    const after = await ask(remote, 'GET', '/v1/status', { headers });
    expect(after).toMatchObject({ status: 401, json: { code: 'unauthorized' } });
    expect(await asWhom({ cookie })).toEqual({ principal: null, scopes: [] });
  });

  test('ends when it is logged out, with the stream it had open', async () => {
    const { cookie } = await logIn(secret);
    const stream = await openStream(remote, 'GET', '/v1/events', { headers: { cookie } });
    const ended = new Promise((resolve) => stream.once('close', () => resolve('ended')));
    // An answer that is broken off is an error to its reader.
    stream.on('error', () => undefined).resume();
    const out = await ask(remote, 'DELETE', '/v1/session', { headers: { cookie, ...PAGE } });
    expect([out.status, out.headers['set-cookie']?.[0]]).toMatchObject([204, expect.stringMatching(/Max-Age=0/)]);
    expect(await ended).toBe('ended');
    const after = await ask(remote, 'GET', '/v1/status', { headers: { cookie } });
    expect(after).toMatchObject({ status: 401, json: { code: 'session_over' } });
  });

  test('is not asked for where file permission decides, nor needed beside a token', async () => {
    expect(await asWhom({}, socketOf(shared))).toMatchObject({ principal: 'operator' });
    expect(await asWhom({ authorization: `Bearer ${secret}` })).toMatchObject({ principal: 'operator' });
    expect(await asWhom({})).toEqual({ principal: null, scopes: [] });
  });

  test('nobody has by a cookie that was made up', async () => {
    const port = new URL(remote.url).port;
    for (const id of ['', 'x', 'A'.repeat(43), secret]) {
      const { status } = await ask(remote, 'GET', '/v1/status', { headers: { cookie: `hauki_session_${port}=${id}` } });
      expect(status).toBe(401);
    }
  });
});

describe('another page cannot use it', () => {
  test.each([
    ['by a form', 'POST', '/v1/prune', {}],
    ['by a program that does not know the header', 'DELETE', '/v1/evidence/x', {}],
    ['from another origin', 'POST', '/v1/prune', { ...PAGE, origin: 'http://evil.example' }],
    ['from another port', 'POST', '/v1/prune', { ...PAGE, origin: 'http://127.0.0.1:1' }],
    ['by a name that leads here', 'GET', '/v1/status', { host: 'evil.example:7717' }],
    ['to log it out', 'DELETE', '/v1/session', {}],
  ])('%s', async (_what, method, path, more) => {
    const { cookie } = await logIn(secret);
    const port = new URL(remote.url).port;
    // What the browser would send it by is the port of the name it was given.
    const both = `${cookie}; ${cookie.replace(`_${port}=`, '_7717=')}`;
    const body = method === 'POST' ? { dryRun: true } : undefined;
    const answer = await ask(remote, method, path, { headers: { cookie: both, ...more }, body });
    expect(answer).toMatchObject({ status: 403, json: { code: 'page_foreign' } });
    expect(await asWhom({ cookie })).toMatchObject({ principal: 'operator' });
  });

  test('to listen, by a WebSocket', async () => {
    const { cookie } = await logIn(secret);
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const headers = { cookie, ...upgrade, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
    const answer = await ask(remote, 'GET', '/v1/events', { headers: { ...headers, origin: 'http://evil.example' } });
    expect(answer.json).toMatchObject({ code: 'page_foreign' });
  });

  test('nor the socket, where a port was led to it', async () => {
    const headers = { origin: 'http://evil.example' };
    const answer = await ask(socketOf(shared), 'GET', '/v1/status', { headers });
    expect(answer).toMatchObject({ status: 403, json: { code: 'page_foreign' } });
  });

  test('and is on record for trying', async () => {
    const recorded = async (): Promise<boolean> => {
      const { text } = await ask(socketOf(shared), 'GET', '/v1/events?after=0&follow=false&type=access_denied');
      return text.includes('page_foreign') && !text.includes(secret);
    };
    expect(await until(recorded, 'it is on record')).toBe(true);
  });
});

test('bad tries are refused, put on record, and after ten of them not heard for a while', async () => {
  const own = place();
  const { stdout } = await own.controller();
  const to = { url: (JSON.parse(stdout()) as { url: string }).url };
  const answers: Answer[] = [];
  for (let tried = 0; tried < 11; tried += 1) answers.push((await logIn('wrong', to)).answer);
  const codes = answers.map(({ json }) => (json as { code: string }).code);
  expect(codes).toEqual([...Array.from({ length: 10 }, () => 'unauthorized'), 'rate_limited']);
  expect(answers.at(-1)).toMatchObject({
    status: 429,
    headers: { 'retry-after': expect.stringMatching(/^[1-6]$/) as string },
  });
  // Whoever has a token is not kept out by somebody at the same address who tries some.
  expect((await logIn(readFileSync(join(own.home, 'token'), 'utf8').trim(), to)).answer.status).toBe(204);
  const { text } = await ask(socketOf(own), 'GET', '/v1/events?after=0&follow=false&type=access_denied');
  expect(text).toContain('POST /v1/session');
  expect(text).not.toContain('wrong');
});

/** A session asked for over TLS, by a browser that was told to trust the mesh's authority. */
function logInSecurely(address: string, token: string): Promise<{ readonly status: number; readonly cookie: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', origin: `https://${address}` };
    const options = { method: 'POST', headers, agent: false as const, rejectUnauthorized: false };
    const asked = httpsRequest(`https://${address}/v1/session`, options, (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, cookie: response.headers['set-cookie']?.[0] ?? '' });
    });
    asked.once('error', reject);
    asked.end(JSON.stringify({ token }));
  });
}

test('over TLS the cookie is for TLS only, and the operator’s token is not taken', async () => {
  const own = place();
  await own.json(['mesh', 'init']);
  const { stdout } = await own.controller(['controller', '--port', '0', '--listen', '127.0.0.1:0', '--json']);
  const { listening } = JSON.parse(stdout()) as { listening: string[] };
  const address = listening[0] ?? '';
  const operator = readFileSync(join(own.home, 'token'), 'utf8').trim();
  expect((await logInSecurely(address, operator)).status).toBe(401);
  const made = await ask(socketOf(own), 'POST', '/v1/tokens', { body: { name: 'phone', scopes: ['read'] } });
  const { status, cookie } = await logInSecurely(address, (made.json as { token: string }).token);
  expect(status).toBe(204);
  expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Secure$/);
});
