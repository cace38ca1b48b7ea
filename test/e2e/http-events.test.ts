import { createConnection } from 'node:net';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';

import type { Mutation } from '../../src/core/mutation/mutation.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts';
import type { Problem } from '../../src/wire/http.ts';
import type { CloudEvent, Missed, StreamNote } from '../../src/wire/view.ts';
import { committedEvent, requestedEvent, sampleMutation, Scribe } from '../ledger/sample.ts';
import { until } from '../until.ts';
import { ask, linesOf, openStream, socketOf, type To } from './http.ts';
import { openPlace, place as ownPlace, type Place, type Running } from './place.ts';

/* Streams of events: filters, the same over a WebSocket, and what becomes of readers who do not read. */

let shared: Place;
let to: To;
let url: string;
let token: string;

beforeAll(async () => {
  shared = openPlace();
  const { stdout } = await shared.controller();
  to = socketOf(shared);
  url = (JSON.parse(stdout()) as { url: string }).url;
  token = readFileSync(join(shared.home, 'token'), 'utf8').trim();
});
afterAll(() => shared.close());

const head = async (at = to): Promise<number> =>
  ((await ask(at, 'GET', '/v1/status')).json as { ledger: { records: number } }).ledger.records;
const deny = (intent = 'an event', node = 'web', at = to) =>
  ask(at, 'POST', '/v1/mutations', { body: { intent, node, datasets: ['/nowhere/at/all'] } });

/** Two cleared and committed on directories of their own, one denied. @returns where they begin and what they were */
async function happenings() {
  const after = await head();
  const commit = async (node: string): Promise<{ site: string; mutation: string }> => {
    const { site } = shared.another();
    const grant = (await ask(to, 'POST', '/v1/mutations', { body: { intent: 'x', node, datasets: [site] } })).json as {
      mutation: string;
      fence: number;
    };
    await ask(to, 'POST', `/v1/mutations/${grant.mutation}/commit`, { body: { fence: grant.fence } });
    return { site, mutation: grant.mutation };
  };
  const one = await commit('one');
  const two = await commit('two');
  await deny();
  return { after, one, two };
}

interface Block {
  readonly id?: number;
  readonly comment?: string;
  readonly event?: CloudEvent | StreamNote;
}

async function* blocksOf(lines: AsyncIterable<string>): AsyncGenerator<Block> {
  let block: { id?: number; comment?: string; event?: CloudEvent } = {};
  for await (const line of lines) {
    if (line.startsWith('id: ')) block.id = Number(line.slice(4));
    if (line.startsWith(': ')) block.comment = line.slice(2);
    if (line.startsWith('data: ')) block.event = JSON.parse(line.slice(6)) as CloudEvent;
    if (line !== '') continue;
    yield block;
    block = {};
  }
}

async function sse(query: string, headers: Record<string, string> = {}): Promise<Block[]> {
  const stream = await openStream(to, 'GET', `/v1/events?${query}`, { headers });
  expect(stream.statusCode).toBe(200);
  const blocks: Block[] = [];
  for await (const block of blocksOf(linesOf(stream))) blocks.push(block);
  return blocks;
}

const eventsIn = (blocks: readonly Block[]): CloudEvent[] =>
  blocks.flatMap(({ event }) => (event === undefined || !('time' in event) ? [] : [event]));
const typesIn = (events: readonly CloudEvent[]): string[] => events.map(({ type }) => type.replace('hauki.', ''));

interface Closed {
  readonly code: number;
  readonly reason: string;
}

function socket(query: string, home = shared.home): WebSocket {
  return new WebSocket(`ws+unix://${join(home, 'controller.sock')}:/v1/events?${query}`);
}

/** Everything a WebSocket says, and how it is closed. */
async function heardOn(ws: WebSocket): Promise<Closed & { messages: (CloudEvent | StreamNote)[] }> {
  const messages: (CloudEvent | StreamNote)[] = [];
  ws.on('message', (data: Buffer) => void messages.push(JSON.parse(data.toString()) as CloudEvent));
  return new Promise((resolve, reject) => {
    ws.once('error', reject);
    ws.once('close', (code, reason) => resolve({ code, reason: reason.toString(), messages }));
  });
}

describe('a filter', () => {
  test('by type, node, dataset and mutation gives the same over both', async () => {
    const { after, one, two } = await happenings();
    const whole = ['requested', 'snapshot_started', 'cleared', 'committed'];
    const cases: [string, string[]][] = [
      ['type=cleared,denied', ['cleared', 'cleared', 'denied']],
      ['type=*_started,commit*', ['snapshot_started', 'committed', 'snapshot_started', 'committed']],
      ['type=hauki.denied', ['denied']],
      ['node=one', whole],
      [`mutation=${two.mutation}`, whole],
      [`dataset=${encodeURIComponent(one.site)}`, whole],
      [`dataset=${encodeURIComponent(shared.folder)}`, [...whole, ...whole]],
      [`dataset=${encodeURIComponent(shared.folder)}&node=two&type=committed`, ['committed']],
      ['dataset=%2Fnowhere%2Fat', ['requested', 'denied']],
      ['node=nobody', []],
    ];
    for (const [filter, wanted] of cases) {
      const query = `after=${after}&follow=false&${filter}`;
      const events = eventsIn(await sse(query));
      expect({ filter, types: typesIn(events) }).toEqual({ filter, types: wanted });
      const { code, messages } = await heardOn(socket(query));
      expect(code).toBe(1000);
      expect(messages.filter((one) => 'time' in one)).toEqual(events);
    }
  });

  test('does not hide where one is: a reader of nothing resumes at the end', async () => {
    const after = await head();
    for (let index = 0; index < 5; index += 1) await deny();
    const end = await head();
    const blocks = await sse(`after=${after}&follow=false&node=nobody`);
    expect(blocks.map(({ id, comment }) => [id, comment])).toEqual([
      [after, `position ${after}`],
      [end, `position ${end}`],
    ]);
    const { messages } = await heardOn(socket(`after=${after}&follow=false&node=nobody`));
    expect(messages).toMatchObject([
      { type: 'hauki.stream.position', data: { after } },
      { type: 'hauki.stream.position', data: { after: end } },
    ]);
  });

  test.each(['type=', 'type=a;b', 'type=A', 'node=', 'colour=red', 'after=-1'])('%s: 400, over both', async (query) => {
    const answer = await ask(to, 'GET', `/v1/events?${query}`);
    expect(answer.status).toBe(400);
    await expect(heardOn(socket(query))).rejects.toThrow('Unexpected server response: 400');
  });

  test('a cursor that the ledger does not have yet is refused, over both: it is from another ledger', async () => {
    const after = (await head()) + 1_000;
    expect(await ask(to, 'GET', `/v1/events?after=${after}`)).toMatchObject({
      status: 409,
      json: { status: 'denied', code: 'cursor_ahead' },
    });
    await expect(heardOn(socket(`after=${after}`))).rejects.toThrow('Unexpected server response: 409');
  });

  test('hauki watch has it too', async () => {
    const { after, one } = await happenings();
    const watch = shared.start([
      'watch',
      '--json',
      '--after',
      String(after),
      '--node',
      'one',
      '--type',
      'clear*,commit*',
    ]);
    await until(() => watch.stdout().split('\n').length > 2, 'both are told');
    watch.child.kill('SIGINT');
    await watch.done;
    const events = watch
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as CloudEvent);
    expect(typesIn(events)).toEqual(['cleared', 'committed']);
    expect(events.every(({ subject }) => subject === one.mutation)).toBe(true);
  });
});

describe('a stream', () => {
  test.each([{}, { accept: '*/*' }, { accept: 'application/json' }])(
    'is one whatever is accepted: %j',
    async (headers) => {
      const answer = await ask(to, 'GET', '/v1/events?after=0&follow=false&type=controller_started', { headers });
      expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'text/event-stream' } });
      expect(answer.text).toContain('hauki.controller_started');
    },
  );
});

describe('a WebSocket', () => {
  test('tells what happens as it happens, and resumes by its cursor', async () => {
    const ws = socket('type=denied');
    const heard: CloudEvent[] = [];
    ws.on('message', (data: Buffer) => void heard.push(JSON.parse(data.toString()) as CloudEvent));
    await until(() => heard.length === 1, 'it says where it begins');
    await deny('the first');
    await until(() => heard.length === 2, 'the first is told');
    ws.terminate();
    await deny('the second');
    const { messages } = await heardOn(socket(`type=denied&follow=false&after=${heard[1]?.id}`));
    expect(messages.filter((one) => 'time' in one)).toHaveLength(1);
  });

  test('over TCP wants the token', async () => {
    const at = `${url.replace('http', 'ws')}/v1/events?follow=false&after=0&type=controller_started`;
    await expect(heardOn(new WebSocket(at))).rejects.toThrow('401');
    await expect(heardOn(new WebSocket(at, { headers: { authorization: 'Bearer wrong' } }))).rejects.toThrow('401');
    const headers = { authorization: `Bearer ${token}` };
    expect(await heardOn(new WebSocket(at, { headers }))).toMatchObject({ code: 1000 });
  });

  test('elsewhere there is none, and none of another kind', async () => {
    for (const [path, upgrade] of [
      ['/v1/status', 'websocket'],
      ['/v1/events', 'h2c'],
    ]) {
      const headers = { connection: 'Upgrade', upgrade: upgrade ?? '' };
      const answer = await ask(to, 'GET', path ?? '', { headers });
      expect(answer).toMatchObject({ status: 404, headers: { 'content-type': 'application/problem+json' } });
      expect((answer.json as Problem).code).toBe('route_unknown');
    }
  });

  test('that is refused is closed, also when the other end keeps its own side open', async () => {
    const raw = createConnection({ path: join(shared.home, 'controller.sock'), allowHalfOpen: true });
    raw.write('GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
    let said = '';
    raw.setEncoding('utf8').on('data', (text: string) => (said += text));
    await new Promise((resolve) => raw.once('end', resolve));
    expect(said).toMatch(/^HTTP\/1\.1 404 .*"code":"route_unknown"/s);
    // Written to until it notices that nobody is there.
    const broken = new Promise((resolve) => raw.once('error', resolve));
    const knock = setInterval(() => raw.write('x'), 50);
    expect(await broken).toMatchObject({ code: 'EPIPE' });
    clearInterval(knock);
    raw.destroy();
  });

  test.each([
    ['a message', 'hello', 1008],
    ['emoji', '🦉'.repeat(200), 1008],
    ['one too long', 'x'.repeat(1_025), 1009],
    ['one far too long', 'x'.repeat(4_000_000), 1009],
  ])('takes no messages: %s', async (_, message, code) => {
    const ws = socket('');
    const closed = heardOn(ws);
    ws.once('open', () => ws.send(message));
    expect((await closed).code).toBe(code);
    expect((await ask(to, 'GET', '/healthz')).status).toBe(200);
  });

  test('junk instead of frames ends that connection alone', async () => {
    const raw = createConnection(join(shared.home, 'controller.sock'));
    raw.write(
      'GET /v1/events HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    raw.write(Buffer.alloc(100_000, 0xff));
    await new Promise((resolve) => raw.on('error', resolve).on('close', resolve).resume());
    expect((await ask(to, 'GET', '/healthz')).status).toBe(200);
  });

  test('is told when the controller stops', async () => {
    const place = ownPlace();
    const controller = await place.controller();
    const ws = socket('', place.home);
    const closed = heardOn(ws);
    const lazy = socket('', place.home);
    lazy.on('error', () => {});
    await Promise.all([ws, lazy].map((one) => new Promise((resolve) => one.once('open', resolve))));
    lazy.pause();
    const asked = performance.now();
    controller.child.kill('SIGTERM');
    expect(await closed).toMatchObject({ code: 1001, reason: 'the controller stops' });
    expect(await controller.done).toMatchObject({ code: 0 });
    expect(performance.now() - asked).toBeLessThan(5_000);
    lazy.terminate();
  });
});

describe('a slow reader', () => {
  const RECORDS = 100_000;
  let slow: Place;
  let controller: Running;
  let at: To;

  beforeAll(async () => {
    slow = openPlace();
    await fill(slow.home);
    writeFileSync(join(slow.home, 'config.yaml'), 'streams: { behind: 200, stall: 2s }\n');
    controller = await slow.controller();
    at = socketOf(slow);
  }, 120_000);
  afterAll(() => slow.close());

  /** A ledger of many mutations, as a controller would have written it. */
  async function fill(home: string): Promise<void> {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    const ledger = openSqliteLedger(home);
    const scribe = new Scribe(ledger);
    for (let batch = 0; batch < RECORDS / 1_000; batch += 1) {
      const ended = Array.from({ length: 500 }, (_, index): Mutation => {
        const mutation = sampleMutation(batch * 500 + index);
        return { ...mutation, stage: 'committed', endedAt: mutation.requestedAt + 500 };
      });
      await scribe.append(
        ended.flatMap((one) => [requestedEvent(one), committedEvent(one)]),
        ended,
      );
    }
    await ledger.close();
  }

  const rss = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${controller.pid}/status`, 'utf8'))?.[1]) * 1_024;
  const letGo = (): number => controller.stderr().split('too slow').length - 1;

  test('who does not read costs no memory, is told from where to resume, and let go', async () => {
    // Once to the end, so that what that costs by itself is not counted.
    const all = await openStream(at, 'GET', '/v1/events?after=0&follow=false');
    let count = 0;
    for await (const block of blocksOf(linesOf(all))) if (block.event !== undefined) count += 1;
    expect(count).toBeGreaterThanOrEqual(RECORDS);

    const before = rss();
    const streams = await Promise.all(Array.from({ length: 10 }, () => openStream(at, 'GET', '/v1/events?after=0')));
    const sockets = Array.from({ length: 10 }, () => {
      const ws = socket('after=0', slow.home);
      return { ws, closed: heardOn(ws) };
    });
    await Promise.all(sockets.map(({ ws }) => new Promise((resolve) => ws.once('open', resolve))));
    for (const { ws } of sockets) ws.pause();
    let peak = 0;
    await until(() => {
      peak = Math.max(peak, rss());
      return letGo() >= 20;
    }, 'all are let go');
    // All of it, twenty times, would be more than 1 GB.
    expect((peak - before) / 1e6).toBeLessThan(60);

    for (const stream of streams) {
      const blocks: Block[] = [];
      for await (const block of blocksOf(linesOf(stream))) blocks.push(block);
      checkMissed(blocks.flatMap(({ event }) => event ?? []));
    }
    for (const { ws, closed } of sockets) {
      ws.resume();
      const { code, reason, messages } = await closed;
      expect(code).toBe(1013);
      expect(reason).toContain('resume after');
      checkMissed(messages.slice(1));
    }
  });

  /** Everything in order up to some record, and then from where to resume. */
  function checkMissed(heard: readonly (CloudEvent | StreamNote)[]): Missed {
    const missed = heard.at(-1)?.data as Missed;
    expect(heard.at(-1)?.type).toBe('hauki.stream.missed');
    expect(heard.slice(0, -1).map(({ id }) => Number(id))).toEqual(
      Array.from({ length: missed.after }, (_, index) => index + 1),
    );
    expect(missed.from).toBe(missed.after + 1);
    expect(missed.to).toBeGreaterThanOrEqual(RECORDS);
    return missed;
  }

  test('who had caught up and falls behind is told so, and has everything after it resumes', async () => {
    const start = await head(at);
    const stream = await openStream(at, 'GET', '/v1/events');
    const lines = linesOf(stream);
    expect((await lines.next()).value).toBe(`: position ${start}`);
    const intent = 'ü🦉'.repeat(170);
    for (let batch = 0; batch < 20; batch += 1)
      await Promise.all(Array.from({ length: 20 }, () => deny(intent, 'web', at)));
    const heard = eventsIn(await collect(blocksOf(lines)));
    const end = await head(at);
    const last = heard.at(-1);
    // Its connection may have been let go for taking nothing, or for being behind: it is told the same.
    expect(heard.length).toBeLessThan(end - start);
    const rest = await ask(at, 'GET', `/v1/events?after=${last?.id}&follow=false`);
    const ids = [...rest.text.matchAll(/^id: (\d+)\nevent/gm)].map(([, id]) => Number(id));
    expect([...heard.map(({ id }) => Number(id)), ...ids]).toEqual(
      Array.from({ length: end - start }, (_, index) => start + 1 + index),
    );
  });

  test('who catches up from long ago is not slow, as long as it reads', async () => {
    const client = await openStream(at, 'GET', '/v1/events?after=0');
    let seen = 0;
    for await (const { event } of blocksOf(linesOf(client))) {
      expect(event?.type).not.toBe('hauki.stream.missed');
      if (event !== undefined) seen += 1;
      if (seen % 10_000 === 0) await deny('meanwhile', 'web', at);
      if (seen >= RECORDS) break;
    }
    client.destroy();
  });
});

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}
