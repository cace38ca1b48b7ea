import { spawnSync } from 'node:child_process';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Scraped } from '../metrics/scraped.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { ask, openStream, socketOf, type To } from './http.ts';
import { openPlace, type Place } from './place.ts';

/* The figures of a real controller. */

let place: Place;
let to: To;
let loopback: To;

beforeAll(async () => {
  place = openPlace();
  const { stdout } = await place.controller();
  loopback = { url: (JSON.parse(stdout()) as { url: string }).url };
  to = socketOf(place);
});
afterAll(() => place.close());

const scrape = async (): Promise<Scraped> => new Scraped((await ask(to, 'GET', '/metrics')).text);

test('tell what guarded commands came to, and what that took', async () => {
  expect((await place.guard('echo changed > kept.txt')).code).toBe(0);
  expect((await place.guard('exit 7')).code).toBe(7);
  const answer = await ask(to, 'GET', '/metrics');
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  const now = new Scraped(answer.text);
  expect(now.get('hauki_mutations_total{mode="standard",outcome="committed"}')).toBe(1);
  expect(now.get('hauki_mutations_total{mode="standard",outcome="rolled_back"}')).toBe(1);
  expect(now.get('hauki_rollback_duration_seconds_count{driver="directory",outcome="rolled_back"}')).toBe(1);
  expect(now.get('hauki_snapshot_duration_seconds_sum{driver="directory"}')).toBeGreaterThan(0);
  expect(now.get('hauki_ledger_bytes')).toBeGreaterThan(1_000);
  expect(now.get('hauki_home_free_bytes')).toBeGreaterThan(0);
  expect(now.get('hauki_home_size_bytes')).toBeGreaterThan(now.get('hauki_home_free_bytes') ?? Infinity);
});

test('count who reads events', async () => {
  const stream = await openStream(to, 'GET', '/v1/events');
  expect((await scrape()).get('hauki_event_readers{transport="sse"}')).toBe(1);
  stream.destroy();
  await until(async () => (await scrape()).get('hauki_event_readers{transport="sse"}') === 0, 'a reader that leaves');
});

test('are for whoever may read, and nobody else', async () => {
  const bearing = (token: string) =>
    ask(loopback, 'GET', '/metrics', { headers: { authorization: `Bearer ${token}` } });
  const token = async (scope: string): Promise<string> =>
    (await place.json<{ token: string }>(['token', 'create', `for-${scope}`, '--scope', scope])).token;
  expect((await ask(loopback, 'GET', '/metrics')).status).toBe(401);
  expect((await bearing(await token('guard'))).status).toBe(403);
  expect((await bearing(await token('read'))).status).toBe(200);
});

needs('promtool').describe('promtool', () => {
  test('has nothing against what a controller tells', async () => {
    const { text } = await ask(to, 'GET', '/metrics');
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' });
  });
});
