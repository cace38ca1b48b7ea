import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { CODES } from '../../src/base/codes.ts';
import type { Cleared, MutationList, Problem } from '../../src/wire/http.ts';
import { type Answer, ask, type Ask, socketOf, type To } from './http.ts';
import { openPlace, type Place } from './place.ts';

/* Whatever is sent: a 4xx that says what is wrong, never a 5xx, never a crash. */

let shared: Place;
let to: To;
let pid: number | undefined;

beforeAll(async () => {
  shared = openPlace();
  await shared.controller();
  to = socketOf(shared);
  pid = shared.controllerPid();
});
afterAll(() => shared.close());

/** What is wrong with a refusal, which has one of two shapes; nothing when it is as it should be. */
function faultsOf({ status, headers, text, json }: Answer): string[] {
  const { code, message, hint, type } = (json ?? {}) as Partial<Problem>;
  const isProblem = headers['content-type']?.includes('application/problem+json') === true;
  const denied = (json as { status?: unknown } | undefined)?.status === 'denied';
  return [
    status >= 400 && status < 500 ? '' : `status ${status}`,
    code !== undefined && code in CODES ? '' : `code ${code}`,
    typeof message === 'string' && message !== '' ? '' : 'no message',
    typeof hint === 'string' && hint !== '' ? '' : 'no hint',
    (isProblem && type === `urn:hauki:${code}`) || (!isProblem && denied) ? '' : 'neither a problem nor a denial',
    text.includes('    at ') ? 'a stack' : '',
  ].filter((fault) => fault !== '');
}

const MUTATIONS = '/v1/mutations';
const good = { intent: 'x', datasets: ['/nowhere'] };

describe('a body that does not fit', () => {
  test.each<[string, unknown, number]>([
    ['is empty', '', 400],
    ['is no JSON', '{"intent":', 400],
    ['is JSON, but no object', '[]', 400],
    ['is null', 'null', 400],
    ['is a number', '7', 400],
    ['has a member nobody knows', { ...good, colour: 'red' }, 400],
    ['has __proto__', '{"intent":"x","datasets":["/x"],"__proto__":{"a":1}}', 400],
    ['has constructor.prototype', '{"intent":"x","datasets":["/x"],"constructor":{"prototype":{}}}', 400],
    ['has no intent', { datasets: ['/x'] }, 400],
    ['has an intent that is a number', { ...good, intent: 7 }, 400],
    ['has datasets that are no list', { ...good, datasets: '/x' }, 400],
    ['has no datasets', { ...good, datasets: [] }, 422],
    ['has too many datasets', { ...good, datasets: Array.from({ length: 65 }, (_, n) => `/x${n}`) }, 400],
    ['has an empty dataset', { ...good, datasets: [''] }, 400],
    ['has a ttl that is a number', { ...good, ttl: 10 }, 400],
    ['has a ttl without a unit', { ...good, ttl: '10' }, 400],
    ['has a ttl of digits without end', { ...good, ttl: `${'9'.repeat(400)}d` }, 400],
    ['has a dataset that is half a character', '{"intent":"x","datasets":["/\\ud83e"]}', 400],
    ['has a wait of many days', { ...good, wait: '99d' }, 422],
    ['has a ttl of nothing', { ...good, ttl: '0s' }, 422],
    ['has another mode', { ...good, mode: 'reckless' }, 400],
    ['has a mode that is not here yet', { ...good, mode: 'critical' }, 422],
    ['has another onExpiry', { ...good, onExpiry: 'hope' }, 400],
    ['has attach as text', { ...good, attach: 'yes' }, 400],
    ['has an empty intent', { ...good, intent: '' }, 422],
    ['has an intent of 513 characters', { ...good, intent: 'x'.repeat(513) }, 422],
    ['has an intent with a NUL', { ...good, intent: 'a\0b' }, 422],
    ['has an intent that is half a character', '{"intent":"\\ud83e","datasets":["/x"]}', 422],
    ['has a node that is no name', { ...good, node: '../x' }, 422],
    ['has a dataset with a NUL', { ...good, datasets: ['/x\0y'] }, 404],
    ['has a relative path', { ...good, datasets: ['x/y'] }, 404],
  ])('%s', async (_what, body, status) => {
    const answer = await ask(to, 'POST', MUTATIONS, { body, headers: { 'content-type': 'application/json' } });
    expect(faultsOf(answer)).toEqual([]);
    expect(answer.status).toBe(status);
  });

  test('over the limit: 413, and the next request is heard', async () => {
    // Told by its length alone: nobody has to send it first.
    const head =
      'POST /v1/mutations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 300000\r\n\r\n';
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(join(shared.home, 'controller.sock'), () => socket.write(head));
      socket.setEncoding('utf8').once('data', (text) => {
        resolve(String(text));
        socket.destroy();
      });
      socket.once('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('"code":"body_too_large"');
    expect((await ask(to, 'GET', '/healthz')).status).toBe(200);
  });

  test.each(['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded'])(
    'of the type %s: 415',
    async (type) => {
      const answer = await ask(to, 'POST', MUTATIONS, { body: 'intent=x', headers: { 'content-type': type } });
      expect(faultsOf(answer)).toEqual([]);
      expect(answer).toMatchObject({ status: 415, json: { code: 'media_type_unsupported' } });
    },
  );

  test.each(['renew', 'commit', 'rollback', 'attach', 'resolve'])(
    '%s with a token or choice of the wrong type',
    async (action) => {
      const bodies = [
        { fence: '1' },
        { fence: 1.5 },
        { fence: 0 },
        { fence: -1 },
        { fence: 1e300 },
        { fence: 1, x: 1 },
        { choice: 'maybe' },
        [],
      ];
      const answers = await Promise.all(
        bodies.map((body) => ask(to, 'POST', `${MUTATIONS}/some-id/${action}`, { body })),
      );
      expect(answers.flatMap(faultsOf)).toEqual([]);
    },
  );

  test.each([
    '%',
    '%00',
    '%0a',
    '..%2f..%2fetc',
    'x'.repeat(64),
    'x'.repeat(65),
    'x'.repeat(300),
    encodeURIComponent('🦊 "quoted" \' OR 1=1 --'),
    '00000000-0000-7000-8000-000000000000',
    '-1',
    '{}',
    'undefined',
  ])('a mutation called %s: 4xx', async (id) => {
    const path = `${MUTATIONS}/${id}`;
    const answers = await Promise.all([
      ask(to, 'GET', path),
      ask(to, 'GET', `${path}/diff`),
      ask(to, 'GET', `${path}/plan`),
      ask(to, 'POST', `${path}/commit`, { body: { fence: 1 } }),
      ask(to, 'POST', `${path}/attach`, { body: { fence: 1 } }),
      ask(to, 'POST', `${path}/rollback`, { body: {} }),
      ask(to, 'POST', `${path}/resolve`, { body: { choice: 'commit' } }),
      ask(to, 'PUT', `${path}/pin`, { body: { pinned: true } }),
      ask(to, 'DELETE', `/v1/evidence/${id}`),
    ]);
    expect(answers.flatMap(faultsOf)).toEqual([]);
  });

  test.each([
    'limit=0',
    'limit=-1',
    'limit=ten',
    'limit=1001',
    'limit=1.5',
    'since=yesterday',
    'since=2026-13-45',
    'outcome=nice',
    'colour=red',
    'limit=1&limit=2',
  ])('a list with %s: 400', async (query) => {
    const answer = await ask(to, 'GET', `${MUTATIONS}?${query}`);
    expect(faultsOf(answer)).toEqual([]);
    expect(answer.status).toBe(400);
  });

  test.each(['after=-1', 'after=x', 'after=1e99', 'follow=maybe', 'colour=red'])(
    'events with %s: 400',
    async (query) => {
      const answer = await ask(to, 'GET', `/v1/events?${query}`, { headers: { accept: 'text/event-stream' } });
      expect(faultsOf(answer)).toEqual([]);
      expect(answer.status).toBe(400);
    },
  );
});

describe('anything at all', () => {
  test('as a body, to any route: never a 5xx', { timeout: 60_000 }, async () => {
    const routes = [
      ['POST', MUTATIONS],
      ['POST', `${MUTATIONS}/x/renew`],
      ['POST', `${MUTATIONS}/x/commit`],
      ['POST', `${MUTATIONS}/x/rollback`],
      ['POST', `${MUTATIONS}/x/attach`],
      ['POST', `${MUTATIONS}/x/resolve`],
      ['PUT', `${MUTATIONS}/x/pin`],
      ['POST', '/v1/seals'],
      ['POST', '/v1/prune'],
    ] as const;
    const member = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.integer(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.string(), { maxLength: 3 }),
    );
    const shaped = fc.record(
      {
        intent: member,
        datasets: fc.oneof(member, fc.array(fc.oneof(fc.string(), fc.constant('/nowhere')), { maxLength: 4 })),
        node: member,
        mode: fc.oneof(member, fc.constantFrom('standard', 'critical')),
        ttl: fc.oneof(member, fc.constantFrom('1s', '10m', '0s', '1e9d')),
        wait: fc.oneof(member, fc.constantFrom('0s', '1ms')),
        onExpiry: fc.oneof(member, fc.constantFrom('rollback', 'quarantine')),
        attach: fc.oneof(member, fc.boolean()),
        fence: member,
        choice: member,
        pinned: member,
        dataset: member,
        sealed: member,
        dryRun: fc.constant(true),
      },
      { requiredKeys: [] },
    );
    const body = fc.oneof(
      shaped,
      fc.json().map((text): unknown => text),
      fc.string(),
      fc.uint8Array({ maxLength: 64 }).map((bytes): unknown => Buffer.from(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...routes), body, async ([method, path], sent) => {
        const options: Ask = { body: sent, headers: { 'content-type': 'application/json' } };
        const { status } = await ask(to, method, path, options);
        expect(status).toBeGreaterThanOrEqual(200);
        expect(status).toBeLessThan(500);
      }),
      { numRuns: 400 },
    );
    // None of it was cleared and forgotten.
    const { mutations } = (await ask(to, 'GET', `${MUTATIONS}?limit=1000`)).json as MutationList;
    expect(
      mutations.filter(({ stage }) => stage !== 'denied').map(({ mutation, stage }) => ({ mutation, stage })),
    ).toEqual([]);
  });

  test('as headers and queries: never a 5xx', { timeout: 60_000 }, async () => {
    const value = fc.string({ unit: fc.constantFrom(...'abc012 ,;:"%&=/-_.~'.split('')), maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(value, value, value, async (key, last, query) => {
        const keyed = await ask(to, 'POST', MUTATIONS, { body: good, headers: { 'idempotency-key': key } });
        expect(keyed.status).toBe(404);
        const resumed = await ask(to, 'GET', '/v1/events?follow=false', {
          headers: { accept: 'text/event-stream', 'last-event-id': last },
        });
        expect(resumed.status).toBeLessThan(500);
        expect((await ask(to, 'GET', `${MUTATIONS}?${encodeURI(query)}`)).status).toBeLessThan(500);
      }),
      { numRuns: 40 },
    );
  });

  test('as bytes on the socket: the controller goes on', async () => {
    const path = join(shared.home, 'controller.sock');
    const rubbish = [
      Buffer.from('\0\0\0\0'),
      Buffer.from('GET / HTTP/9.9\r\n\r\n'),
      Buffer.from(`GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`),
      Buffer.alloc(65_536, 0xff),
      Buffer.from(
        'POST /v1/mutations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{"int',
      ),
    ];
    for (const bytes of rubbish) {
      await new Promise<void>((resolve) => {
        const socket = connect(path, () => socket.end(bytes));
        socket.on('error', () => resolve());
        socket.on('close', () => resolve());
        socket.resume();
      });
    }
    expect((await ask(to, 'GET', '/healthz')).status).toBe(200);
  });

  test('it is the same controller all the while, and works as ever', async () => {
    expect(shared.controllerPid()).toBe(pid);
    const { site } = shared.another();
    const granted = await ask(to, 'POST', MUTATIONS, { body: { intent: 'still working', datasets: [site] } });
    const { mutation, fence } = granted.json as Cleared;
    expect((await ask(to, 'POST', `${MUTATIONS}/${mutation}/commit`, { body: { fence } })).status).toBe(200);
    expect(readFileSync(join(site, 'config'), 'utf8')).toBe('one\n');
  });
});
