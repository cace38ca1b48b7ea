import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { Cleared, Denied, LockList, MutationDetail, MutationList, MutationView } from '../../src/wire/http.ts';
import { until } from '../until.ts';
import { fingerprint } from './fingerprint.ts';
import { ask, socketOf, type To } from './http.ts';
import { openPlace, type Place } from './place.ts';

/* The HTTP contract, on a real controller, over its Unix socket and over TCP. */

let shared: Place;
let local: To;
let remote: To;
let token: string;

beforeAll(async () => {
  shared = openPlace();
  const { stdout } = await shared.controller();
  local = socketOf(shared);
  remote = { url: (JSON.parse(stdout()) as { url: string }).url };
  token = readFileSync(join(shared.home, 'token'), 'utf8').trim();
});
afterAll(() => shared.close());

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  ask(local, 'POST', path, { body, headers });

/** Clearance on a fresh directory. */
async function cleared(more: Record<string, unknown> = {}, headers: Record<string, string> = {}) {
  const { site } = shared.another();
  const answer = await post('/v1/mutations', { intent: 'over http', datasets: [site], ...more }, headers);
  expect(answer.status).toBe(200);
  return { site, answer, grant: answer.json as Cleared };
}

describe('who may ask', () => {
  test.each([
    ['no token', {}],
    ['a wrong token', { authorization: 'Bearer wrong' }],
    ['an empty token', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: 'Basic eDp5' }],
  ])('over TCP with %s: 401 and nothing else', async (_what, headers) => {
    for (const [method, path] of [
      ['GET', '/v1/status'],
      ['GET', '/v1/mutations'],
      ['GET', '/v1/events'],
      ['GET', '/openapi.json'],
      ['GET', '/nowhere'],
      ['POST', '/v1/mutations'],
      ['POST', '/v1/retire'],
    ] as const) {
      const { status, json } = await ask(remote, method, path, { headers });
      expect({ path, status, json }).toMatchObject({ status: 401, json: { status: 'denied', code: 'unauthorized' } });
    }
  });

  test('over TCP with the token, and over the socket without: the same', async () => {
    const headers = { authorization: `Bearer ${token}` };
    const [a, b] = await Promise.all([
      ask(remote, 'GET', '/v1/mutations', { headers }),
      ask(local, 'GET', '/v1/mutations'),
    ]);
    expect(a).toMatchObject({ status: 200 });
    expect(a.text).toBe(b.text);
  });

  test('/healthz and /readyz say no more than that, to anybody', async () => {
    for (const to of [local, remote]) {
      expect(await ask(to, 'GET', '/healthz')).toMatchObject({ status: 200, json: { status: 'ok' } });
      expect(await ask(to, 'GET', '/readyz')).toMatchObject({ status: 200, json: { status: 'ready' } });
    }
  });

  test('the socket and the token are their owner’s alone', async () => {
    const { stdout } = await shared.run(['-c', '%a', 'controller.sock', 'token', '.', 'controller.key'], {
      program: 'stat',
      cwd: shared.home,
    });
    expect(stdout.trim().split('\n')).toEqual(['600', '600', '700', '600']);
  });
});

describe('a mutation', () => {
  test('is cleared: the answer begins with status and snapshot', async () => {
    const { site, answer, grant } = await cleared();
    expect(answer.text.startsWith('{"status":"cleared","snapshot":"')).toBe(true);
    expect(answer.headers['content-type']).toContain('application/json');
    expect(grant.snapshot).toMatch(/@PRE_.*_over_http_\d{8}_\d{6}_\d{3}$/);
    expect(grant.snapshot.startsWith(`${site}@`)).toBe(true);
    expect(Date.parse(grant.expiresAt)).toBeGreaterThan(Date.now());
    expect(Number.isInteger(grant.fence)).toBe(true);
  });

  test('is denied: status, code, message, hint', async () => {
    const { status, json } = await post('/v1/mutations', { intent: 'x', datasets: ['/nowhere/at/all'] });
    expect(status).toBe(404);
    expect(json).toMatchObject({ status: 'denied', code: 'dataset_missing' });
    expect(Object.keys(json as Denied).slice(0, 4)).toEqual(['status', 'code', 'message', 'hint']);
  });

  test('is renewed, and committed once and for all', async () => {
    const { grant } = await cleared({ ttl: '30s' });
    const path = `/v1/mutations/${grant.mutation}`;
    const renewed = await post(`${path}/renew`, { fence: grant.fence });
    expect(renewed.status).toBe(200);
    expect(Date.parse((renewed.json as MutationView).expiresAt ?? '')).toBeGreaterThanOrEqual(
      Date.parse(grant.expiresAt),
    );
    expect(await post(`${path}/commit`, { fence: grant.fence })).toMatchObject({
      status: 200,
      json: { stage: 'committed' },
    });
    // A lost answer is asked for again.
    expect(await post(`${path}/commit`, { fence: grant.fence })).toMatchObject({
      status: 200,
      json: { stage: 'committed' },
    });
    expect(await post(`${path}/renew`, { fence: grant.fence })).toMatchObject({
      status: 409,
      json: { code: 'lease_lost' },
    });
    expect(await post(`${path}/rollback`, { fence: grant.fence })).toMatchObject({
      status: 409,
      json: { code: 'lease_lost' },
    });
  });

  test('is rolled back: as before, with evidence', async () => {
    const { site, grant } = await cleared();
    const before = fingerprint(site);
    await shared.run(['-c', 'echo two > config; rm -rf deep'], { program: 'sh', cwd: site });
    const diff = await ask(local, 'GET', `/v1/mutations/${grant.mutation}/diff`);
    expect(diff.json).toMatchObject({
      datasets: [{ dataset: site, modified: expect.arrayContaining(['config']) as string[] }],
    });
    const plan = await ask(local, 'GET', `/v1/mutations/${grant.mutation}/plan`);
    expect(plan.json).toMatchObject({ plans: [{ dataset: site, blockers: [] }] });
    const done = await post(`/v1/mutations/${grant.mutation}/rollback`, { fence: grant.fence });
    expect(done).toMatchObject({ status: 200, json: { stage: 'rolled_back', evidence: [{ dataset: site }] } });
    expect(fingerprint(site)).toBe(before);
    const again = await post(`/v1/mutations/${grant.mutation}/rollback`, { fence: grant.fence });
    expect(again).toMatchObject({ status: 200, json: { stage: 'rolled_back' } });
  });

  test('with a token that is not its own: refused, and it goes on', async () => {
    const { grant } = await cleared();
    for (const action of ['renew', 'commit', 'rollback', 'attach']) {
      for (const fence of [grant.fence - 1, grant.fence + 1].filter((one) => one > 0)) {
        const answer = await post(`/v1/mutations/${grant.mutation}/${action}`, { fence });
        expect({ action, fence, answer }).toMatchObject({ answer: { status: 409, json: { code: 'fence_stale' } } });
      }
    }
    const { json } = await ask(local, 'GET', `/v1/mutations/${grant.mutation}`);
    expect(json).toMatchObject({ stage: 'cleared' });
    await post(`/v1/mutations/${grant.mutation}/commit`, { fence: grant.fence });
  });

  test('unattached, its lease runs out: undone', async () => {
    const { site, grant } = await cleared({ ttl: '1s' });
    const before = fingerprint(site);
    await shared.run(['-c', 'echo two > config'], { program: 'sh', cwd: site });
    await until(() => fingerprint(site) === before, 'the change is undone');
    await until(
      async () =>
        ((await ask(local, 'GET', `/v1/mutations/${grant.mutation}`)).json as MutationView).stage === 'rolled_back',
      'it is recorded',
    );
    const late = await post(`/v1/mutations/${grant.mutation}/commit`, { fence: grant.fence });
    expect(late).toMatchObject({ status: 409, json: { code: 'lease_lost' } });
  });

  test('stands in the list and the locks while it is open, with its records in detail', async () => {
    const { grant, site } = await cleared({ node: 'list-node' });
    const list = (await ask(local, 'GET', '/v1/mutations?node=list-node&outcome=cleared')).json as MutationList;
    expect(list.mutations.map(({ mutation }) => mutation)).toEqual([grant.mutation]);
    const { locks } = (await ask(local, 'GET', '/v1/locks')).json as LockList;
    expect(locks.find(({ mutation }) => mutation === grant.mutation)?.datasets[0]?.name).toBe(site);
    const detail = (await ask(local, 'GET', `/v1/mutations/${grant.mutation}`)).json as MutationDetail;
    expect(detail.records.map(({ type }) => type)).toEqual(['requested', 'snapshot_started', 'cleared']);
    await post(`/v1/mutations/${grant.mutation}/commit`, { fence: grant.fence });
    const after = (await ask(local, 'GET', '/v1/mutations?node=list-node&limit=1')).json as MutationList;
    expect(after.mutations).toMatchObject([{ mutation: grant.mutation, stage: 'committed' }]);
    const before = (await ask(local, 'GET', `/v1/mutations?node=list-node&before=${grant.mutation}`))
      .json as MutationList;
    expect(before.mutations).toEqual([]);
    const since = (await ask(local, 'GET', '/v1/mutations?since=2999-01-01T00:00:00Z')).json as MutationList;
    expect(since.mutations).toEqual([]);
  });
});

describe('Idempotency-Key', () => {
  test('the same key with the same body is the same mutation, also after it ended', async () => {
    const headers = { 'idempotency-key': 'key-1' };
    const { grant, site } = await cleared({}, headers);
    const body = { intent: 'over http', datasets: [site] };
    expect((await post('/v1/mutations', body, headers)).json).toEqual(grant);
    await post(`/v1/mutations/${grant.mutation}/commit`, { fence: grant.fence });
    expect((await post('/v1/mutations', body, headers)).json).toMatchObject({
      mutation: grant.mutation,
      fence: grant.fence,
    });
    // The order of the members does not make another body.
    expect((await post('/v1/mutations', { datasets: [site], intent: 'over http' }, headers)).json).toMatchObject({
      mutation: grant.mutation,
    });
  });

  test('the same key with another body: 422', async () => {
    const headers = { 'idempotency-key': 'key-2' };
    const { grant, site } = await cleared({}, headers);
    const other = await post('/v1/mutations', { intent: 'something else', datasets: [site] }, headers);
    expect(other).toMatchObject({ status: 422, json: { status: 'denied', code: 'idempotency_mismatch' } });
    await post(`/v1/mutations/${grant.mutation}/commit`, { fence: grant.fence });
  });

  test('many at the same moment: one mutation, one answer', async () => {
    const { site } = shared.another();
    const headers = { 'idempotency-key': 'key-3' };
    const body = { intent: 'at once', datasets: [site] };
    const answers = await Promise.all(Array.from({ length: 12 }, () => post('/v1/mutations', body, headers)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    const [{ mutation, fence }] = answers.map(({ json }) => json as Cleared) as [Cleared];
    await post(`/v1/mutations/${mutation}/commit`, { fence });
  });

  test('a denial is the same denial', async () => {
    const headers = { 'idempotency-key': 'key-4' };
    const body = { intent: 'x', datasets: ['/nowhere/at/all'] };
    const [first, second] = [await post('/v1/mutations', body, headers), await post('/v1/mutations', body, headers)];
    expect(first.status).toBe(404);
    expect(second.text).toBe(first.text);
  });

  test('other keys wait for the lock like anybody', async () => {
    const { grant, site } = await cleared({}, { 'idempotency-key': 'key-5' });
    const other = await post(
      '/v1/mutations',
      { intent: 'over http', datasets: [site], wait: '0s' },
      { 'idempotency-key': 'key-6' },
    );
    expect(other).toMatchObject({ status: 409, json: { code: 'lock_timeout' } });
    await post(`/v1/mutations/${grant.mutation}/commit`, { fence: grant.fence });
  });
});

describe('/openapi.json', () => {
  test('is a valid OpenAPI 3.1 document that names every route', async () => {
    const { status, json } = await ask(local, 'GET', '/openapi.json');
    expect(status).toBe(200);
    const document = json as { openapi: string; paths: Record<string, unknown> };
    const verdict = await new Validator().validate(structuredClone(json) as Record<string, unknown>);
    expect(verdict.valid ? [] : verdict.errors).toEqual([]);
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        '/v1/mutations',
        '/v1/mutations/{id}/commit',
        '/v1/events',
        '/healthz',
        '/readyz',
      ]) as string[],
    );
    expect(document.paths).not.toHaveProperty('/v1/retire');
  });
});
