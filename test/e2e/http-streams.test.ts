import type { IncomingMessage } from 'node:http';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { Cleared, Denied, MutationView, Revoked } from '../../src/wire/http.ts';
import type { CloudEvent } from '../../src/wire/view.ts';
import { until } from '../until.ts';
import { fingerprint } from './fingerprint.ts';
import { ask, linesOf, openStream, socketOf, type To } from './http.ts';
import { openPlace, place as ownPlace, type Place } from './place.ts';

/* Answers that go on: events as they happen, and clearances that live as long as their connection. */

let shared: Place;
let to: To;

beforeAll(async () => {
  shared = openPlace();
  await shared.controller();
  to = socketOf(shared);
});
afterAll(() => shared.close());

const post = (path: string, body: unknown) => ask(to, 'POST', path, { body });
const stageOf = async (id: string): Promise<string> =>
  ((await ask(to, 'GET', `/v1/mutations/${id}`)).json as MutationView).stage;

/** Something that happens, cheaply: two records, `requested` and `denied`. */
const happen = () => post('/v1/mutations', { intent: 'an event', datasets: ['/nowhere'] });
const head = async (): Promise<number> =>
  ((await ask(to, 'GET', '/v1/status')).json as { ledger: { records: number } }).ledger.records;

const sse = (query = '', headers: Record<string, string> = {}): Promise<IncomingMessage> =>
  openStream(to, 'GET', `/v1/events${query}`, { headers: { accept: 'text/event-stream', ...headers } });

interface Message {
  readonly id: string;
  readonly event: string;
  readonly data: CloudEvent;
}

async function* messagesOf(stream: IncomingMessage): AsyncGenerator<Message> {
  let fields = new Map<string, string>();
  for await (const line of linesOf(stream)) {
    if (line === '') {
      const data = fields.get('data');
      if (data !== undefined)
        yield { id: fields.get('id') ?? '', event: fields.get('event') ?? '', data: JSON.parse(data) as CloudEvent };
      fields = new Map();
    } else if (!line.startsWith(':')) {
      fields.set(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim());
    }
  }
}

async function take(stream: IncomingMessage, count: number): Promise<Message[]> {
  const messages: Message[] = [];
  for await (const message of messagesOf(stream)) {
    messages.push(message);
    if (messages.length >= count) break;
  }
  stream.destroy();
  return messages;
}

describe('events', () => {
  test('are CloudEvents, whose id is the ledger’s number', async () => {
    await happen();
    const stream = await sse('?after=0&follow=false');
    expect(stream.headers['content-type']).toContain('text/event-stream');
    const messages = await take(stream, Infinity);
    expect(messages.length).toBe(await head());
    for (const [index, { id, event, data }] of messages.entries()) {
      expect(data).toMatchObject({ specversion: '1.0', id, type: event, datacontenttype: 'application/json' });
      expect(Number(id)).toBe(index + 1);
      expect(data.source).toMatch(/^\/hauki\//);
      expect(new Date(data.time).toISOString()).toBe(data.time);
      expect(data.hash).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(messages.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['hauki.controller_started', 'hauki.requested', 'hauki.denied']) as string[],
    );
    expect(messages.at(-1)?.data.subject).toBeDefined();
  });

  test('begin at the end, without a cursor', async () => {
    const last = await head();
    const stream = await sse();
    const first = take(stream, 1);
    await happen();
    expect((await first)[0]?.id).toBe(String(last + 1));
  });

  test('resume by Last-Event-ID without gap or duplicate, while events keep coming', async () => {
    const start = await head();
    const wanted = 120;
    let coming = true;
    const source = (async () => {
      while (coming) await Promise.all([happen(), happen(), happen()]);
    })();
    const ids: number[] = [];
    try {
      for (let connections = 0; ids.length < wanted; connections += 1) {
        expect(connections).toBeLessThan(200);
        const last = String(ids.at(-1) ?? start);
        // Cut off after a few, also in the middle of a message.
        const messages = await take(await sse('', { 'last-event-id': last }), 1 + (connections % 13));
        ids.push(...messages.map(({ id }) => Number(id)));
      }
    } finally {
      coming = false;
      await source;
    }
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, index) => start + index + 1));
  });

  test('Last-Event-ID goes before the cursor of the address, as a browser sends both', async () => {
    const last = await head();
    await happen();
    const messages = await take(await sse('?after=0', { 'last-event-id': String(last) }), 2);
    expect(messages.map(({ id }) => Number(id))).toEqual([last + 1, last + 2]);
  });

  test('reach everyone who listens, and a reader who does not read holds up nobody', async () => {
    const last = await head();
    const lazy = await sse(`?after=${last}`);
    lazy.pause();
    const streams = await Promise.all(Array.from({ length: 10 }, () => sse(`?after=${last}`)));
    const all = Promise.all(streams.map((stream) => take(stream, 40)));
    for (let index = 0; index < 20; index += 1) await happen();
    for (const messages of await all)
      expect(messages.map(({ id }) => Number(id) - last)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
    lazy.resume();
    expect((await take(lazy, 40)).length).toBe(40);
  });

  test('a client that goes away leaves nothing behind', async () => {
    const streams = await Promise.all(Array.from({ length: 40 }, () => sse()));
    for (const stream of streams) stream.destroy();
    await happen();
    expect((await ask(to, 'GET', '/healthz')).status).toBe(200);
  });
});

describe('a clearance that hangs on its connection', () => {
  async function attached(more: Record<string, unknown> = {}) {
    const { site } = shared.another();
    const body = { intent: 'attached', datasets: [site], attach: true, ...more };
    const stream = await openStream(to, 'POST', '/v1/mutations', { body });
    const lines = linesOf(stream);
    const first = await lines.next();
    return { site, stream, lines, grant: JSON.parse(first.value as string) as Cleared };
  }
  const next = async (lines: AsyncGenerator<string>): Promise<Revoked | undefined> => {
    const { value } = (await lines.next()) as { value: string | undefined };
    return value === undefined ? undefined : (JSON.parse(value) as Revoked);
  };

  test('is undone when the connection closes', async () => {
    const { site, stream, grant } = await attached();
    expect(grant.status).toBe('cleared');
    const before = fingerprint(site);
    await shared.run(['-c', 'echo two > config'], { program: 'sh', cwd: site });
    stream.destroy();
    await until(async () => (await stageOf(grant.mutation)) === 'rolled_back', 'it is rolled back');
    expect(fingerprint(site)).toBe(before);
  });

  test('ends with the commit, and its stream with it', async () => {
    const { lines, grant } = await attached();
    expect(await post(`/v1/mutations/${grant.mutation}/commit`, { fence: grant.fence })).toMatchObject({ status: 200 });
    expect(await next(lines)).toBeUndefined();
    expect(await stageOf(grant.mutation)).toBe('committed');
  });

  test('hears it when it is taken back', async () => {
    const { lines, grant } = await attached();
    expect((await post(`/v1/mutations/${grant.mutation}/rollback`, {})).status).toBe(200);
    expect(await next(lines)).toMatchObject({ status: 'revoked', stage: 'rolling_back' });
    expect(await next(lines)).toBeUndefined();
  });

  test('a denial is the only line', async () => {
    const stream = await openStream(to, 'POST', '/v1/mutations', {
      body: { intent: 'x', datasets: ['/nowhere'], attach: true },
    });
    const lines: string[] = [];
    for await (const line of linesOf(stream)) lines.push(line);
    expect(lines.map((line) => JSON.parse(line) as Denied)).toMatchObject([
      { status: 'denied', code: 'dataset_missing' },
    ]);
  });

  test('a caller that goes away while it waits is taken out of the queue', async () => {
    const { site, grant } = await attached();
    const away = new AbortController();
    const body = { intent: 'waits', datasets: [site], attach: true };
    const waiting = openStream(to, 'POST', '/v1/mutations', { body, signal: away.signal });
    const mine = async (): Promise<MutationView | undefined> =>
      ((await ask(to, 'GET', '/v1/mutations?limit=5')).json as { mutations: MutationView[] }).mutations.find(
        (one) => one.intent === 'waits',
      );
    await until(async () => (await mine())?.stage === 'queued', 'it waits');
    away.abort();
    await expect(waiting).rejects.toThrow('aborted');
    await until(async () => (await mine())?.stage === 'cancelled', 'it is taken out');
    await post(`/v1/mutations/${grant.mutation}/commit`, { fence: grant.fence });
  });

  test('hung on a new connection, the end of the old one does not matter any more', async () => {
    const { stream, grant } = await attached();
    const second = await openStream(to, 'POST', `/v1/mutations/${grant.mutation}/attach`, {
      body: { fence: grant.fence },
    });
    const lines = linesOf(second);
    expect(JSON.parse((await lines.next()).value as string)).toMatchObject({
      status: 'cleared',
      mutation: grant.mutation,
    });
    // A network that broke is noticed by one end long before the other: the old connection may close after the new one opened.
    stream.destroy();
    await until(async () => (await ask(to, 'GET', '/healthz')).status === 200, 'a while has gone by');
    for (let look = 0; look < 10; look += 1) expect(await stageOf(grant.mutation)).toBe('cleared');
    second.destroy();
    await until(async () => (await stageOf(grant.mutation)) === 'rolled_back', 'the end of the new one does');
  });
});

describe('a controller that is told to stop', () => {
  test('closes its streams and ends promptly', async () => {
    const place = ownPlace();
    const controller = await place.controller();
    const own = socketOf(place);
    const stream = await openStream(own, 'GET', '/v1/events', { headers: { accept: 'text/event-stream' } });
    const idle = await openStream(own, 'GET', '/v1/events', { headers: { accept: 'text/event-stream' } });
    idle.pause();
    const asked = performance.now();
    controller.child.kill('SIGTERM');
    const rest = take(stream, Infinity);
    expect(await controller.done).toMatchObject({ code: 0, signal: null });
    expect(performance.now() - asked).toBeLessThan(5_000);
    await rest;
    idle.destroy();
  });
});
