import { createHmac } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';

import type { DeadList, WebhookAdded, WebhookList, WebhookView } from '../../src/wire/events.ts';
import type { StatusView } from '../../src/wire/http.ts';
import type { CloudEvent } from '../../src/wire/view.ts';
import { until } from '../until.ts';
import { ask, socketOf } from './http.ts';
import { type Place, place as ownPlace } from './place.ts';

/* Webhooks: a real controller that delivers to a real receiver, in another process's place, with everything that can go wrong there. */

interface Received {
  readonly seq: number;
  readonly type: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver that notes what it gets, and answers as it is told to. */
async function receiver(answer: (response: ServerResponse, got: Received) => void = (response) => void response.end()) {
  const got: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const event = JSON.parse(body) as CloudEvent;
      const received = { seq: Number(event.id), type: event.type, headers: request.headers, body };
      got.push(received);
      answer(response, received);
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

const IMPATIENT = 'tries: 3, wait: 20ms, waitMax: 50ms, timeout: 500ms';

async function controllerAt(config = IMPATIENT) {
  const place = ownPlace();
  mkdirSync(place.home, { recursive: true, mode: 0o700 });
  writeFileSync(join(place.home, 'config.yaml'), `webhooks: { ${config} }\n`);
  const controller = await place.controller();
  return { place, controller, to: socketOf(place) };
}

const add = async (place: Place, url: string, more: Record<string, unknown> = {}): Promise<WebhookAdded> => {
  const answer = await ask(socketOf(place), 'POST', '/v1/webhooks', { body: { url, ...more } });
  expect(answer.status).toBe(201);
  return answer.json as WebhookAdded;
};
const show = async (place: Place, id: string): Promise<WebhookView> =>
  (await ask(socketOf(place), 'GET', `/v1/webhooks/${id}`)).json as WebhookView;
const deadOf = async (place: Place, id: string): Promise<DeadList['dead']> =>
  ((await ask(socketOf(place), 'GET', `/v1/webhooks/${id}/dead`)).json as DeadList).dead;
/** Two records: requested, denied. */
const happen = (place: Place) =>
  ask(socketOf(place), 'POST', '/v1/mutations', { body: { intent: 'ü🦉\n"x"', datasets: ['/nowhere'] } });
const head = async (place: Place): Promise<number> =>
  ((await ask(socketOf(place), 'GET', '/v1/status')).json as StatusView).ledger.records;

/** What a receiver does, in ten lines: see docs/api.md. */
function isGenuine({ headers, body }: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const content = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const mac = createHmac('sha256', key).update(content).digest('base64');
  const fresh = Math.abs(Date.now() / 1_000 - Number(headers['webhook-timestamp'])) < 300;
  return fresh && headers['webhook-signature'] === `v1,${mac}`;
}

describe('a webhook', () => {
  test('gets what it asked for, in order and signed, as CloudEvents', async () => {
    const { place } = await controllerAt();
    const { got, url } = await receiver();
    const { secret = '', webhook } = await add(place, url, { type: 'denied', after: 0 });
    for (let count = 0; count < 5; count += 1) await happen(place);
    await until(() => got.length === 5, 'all five are there');
    expect(got.every(({ type }) => type === 'hauki.denied')).toBe(true);
    expect(got.map(({ seq }) => seq)).toEqual(got.map(({ seq }) => seq).toSorted((a, b) => a - b));
    expect(got.every((one) => isGenuine(one, secret))).toBe(true);
    expect(got.some((one) => isGenuine({ ...one, body: one.body.replace('denied', 'ok') }, secret))).toBe(false);
    expect(got[0]?.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    expect(new Set(got.map(({ headers }) => headers['webhook-id'])).size).toBe(5);
    const last = await head(place);
    await until(async () => (await show(place, webhook)).cursor === last, 'its cursor is at the end');
    expect(await show(place, webhook)).toMatchObject({
      state: 'active',
      type: 'denied',
      dead: 0,
      deliveredAt: expect.any(String) as string,
    });
  });

  test('keeps its secret: shown once, in no list, ledger or log, and readable by nobody else', async () => {
    const { place, controller } = await controllerAt();
    const { got, url } = await receiver();
    const { code, stdout, stderr } = await place.run(['webhook', 'add', url]);
    expect(code).toBe(0);
    expect(stderr).toContain('shown only now');
    const secret = /whsec_\S+/.exec(stdout)?.[0] ?? '';
    await happen(place);
    await until(() => got.length === 2, 'it is served');
    const [, mine = ''] = /webhook (\S+)/.exec(stdout) ?? [];
    for (const args of [
      ['webhook', 'list'],
      ['webhook', 'dead', mine],
      ['status'],
      ['audit', 'export'],
      ['webhook', 'remove', mine],
    ]) {
      const said = await place.run([...args, '--json']);
      expect(said.stdout).not.toContain(secret);
      expect(said.stdout).not.toContain('whsec_');
    }
    expect(controller.stderr()).not.toContain('whsec_');
    for (const file of ['webhooks.db', 'webhooks.db-wal'])
      expect(statSync(join(place.home, file)).mode & 0o777).toBe(0o600);
  });

  test('can bring its own secret, from a file', async () => {
    const { place } = await controllerAt();
    const { got, url } = await receiver();
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    writeFileSync(join(place.folder, 'secret'), `${secret}\n`);
    const added = await place.json<WebhookAdded>([
      'webhook',
      'add',
      url,
      '--secret-file',
      join(place.folder, 'secret'),
    ]);
    expect(added.secret).toBeUndefined();
    await happen(place);
    await until(() => got.length === 2, 'it is served');
    expect(got.every((one) => isGenuine(one, secret))).toBe(true);
  });

  test('is asked again when it fails, and then the event is given up, visibly, and the next is tried', async () => {
    const { place } = await controllerAt();
    let well = false;
    const { got, url } = await receiver((response, { type }) => {
      response.statusCode = well || type === 'hauki.requested' ? 204 : 500;
      response.end();
    });
    const { webhook } = await add(place, url);
    await happen(place);
    await happen(place);
    await until(async () => (await deadOf(place, webhook)).length === 2, 'two are given up');
    expect(got.map(({ type }) => type.replace('hauki.', ''))).toEqual([
      'requested',
      'denied',
      'denied',
      'denied',
      'requested',
      'denied',
      'denied',
      'denied',
    ]);
    // The same one, tried again, has the same id.
    expect(new Set(got.map(({ headers }) => headers['webhook-id'])).size).toBe(4);
    expect(await deadOf(place, webhook)).toMatchObject([
      { type: 'denied', tries: 3, error: 'it answered 500', again: false },
      { type: 'denied', tries: 3, error: 'it answered 500', again: false },
    ]);
    expect(await show(place, webhook)).toMatchObject({ dead: 2 });
    expect((await place.run(['status'])).stdout).toMatch(
      /webhooks +\d active, \d retrying, 0 disabled, 2 dead letters/,
    );
    expect((await place.run(['webhook', 'dead', webhook])).stdout).toContain('it answered 500');

    const [first] = await deadOf(place, webhook);
    const before = got.length;
    expect(await place.json(['webhook', 'retry', webhook, '--seq', String(first?.seq)])).toMatchObject({ again: 1 });
    await until(() => got.length === before + 1, 'it is tried once more');
    await until(async () => (await deadOf(place, webhook))[0]?.tries === 4, 'and stays dead');
    well = true;
    expect(await place.json(['webhook', 'retry', webhook])).toMatchObject({ again: 2 });
    await until(async () => (await deadOf(place, webhook)).length === 0, 'both are delivered');
    expect(got.slice(-2).map(({ seq }) => seq)).toEqual([first?.seq, (first?.seq ?? 0) + 2]);
  });

  test.each<[string, (response: ServerResponse) => void, RegExp]>([
    [
      'a redirect',
      (response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      /302, and redirects are not followed/,
    ],
    ['an end of the connection', (response) => response.destroy(), /ECONNRESET|socket hang up/],
    ['silence', () => {}, /did not answer within 500 ms/],
    ['a body without end', (response) => void (response.writeHead(500), response.write('x'.repeat(3_000_000))), /500/],
    ['junk', (response) => void response.socket?.end('junk\r\n\r\n'), /HPE_INVALID|Parse Error/],
  ])('whatever it answers: %s', async (_, answer, error) => {
    const { place } = await controllerAt();
    const { url } = await receiver(answer);
    const { webhook } = await add(place, url, { type: 'denied' });
    await happen(place);
    const [letter] = await until(async () => {
      const dead = await deadOf(place, webhook);
      return dead.length === 1 && dead;
    }, 'it is given up');
    expect(letter?.error).toMatch(error);
  });

  test('that nobody listens for is given up too, and one that is gone for good is disabled at once', async () => {
    const { place } = await controllerAt();
    const nobody = await add(place, 'http://127.0.0.1:9/', { type: 'denied' });
    const { got, url } = await receiver((response) => void response.writeHead(410).end());
    const gone = await add(place, url, { type: 'denied' });
    await happen(place);
    await happen(place);
    await until(async () => (await deadOf(place, nobody.webhook)).length === 2, 'both are given up');
    await until(async () => (await show(place, gone.webhook)).state === 'disabled', 'it is disabled');
    expect(await show(place, gone.webhook)).toMatchObject({ disabled: 'it answered 410 Gone' });
    expect(got).toHaveLength(1);
  });

  test('that always fails is disabled after long, which is visible; and begins again where it was when asked to', async () => {
    const { place } = await controllerAt(`${IMPATIENT}, disableAfter: 1s`);
    let well = false;
    const { got, url } = await receiver((response) => void response.writeHead(well ? 200 : 503).end());
    const { webhook } = await add(place, url, { type: 'denied' });
    await until(async () => {
      await happen(place);
      return (await show(place, webhook)).state === 'disabled';
    }, 'it is disabled');
    expect((await place.run(['status'])).stdout).toContain('1 disabled');
    const { cursor, dead } = await show(place, webhook);
    const tried = got.length;
    await happen(place);
    expect(got.length).toBe(tried);
    // Also by another controller.
    process.kill(place.controllerPid() ?? 0, 'SIGTERM');
    await until(() => place.controllerPid() === undefined, 'it ends');
    await place.controller();
    expect(await show(place, webhook)).toMatchObject({ state: 'disabled', cursor });
    well = true;
    expect(await place.json(['webhook', 'retry', webhook])).toMatchObject({ again: dead });
    await until(async () => (await show(place, webhook)).cursor === (await head(place)), 'it has caught up');
    await until(async () => (await show(place, webhook)).dead === 0, 'and has what was given up');
    const denied = (await ask(socketOf(place), 'GET', '/v1/events?after=0&follow=false&type=denied')).text.match(
      /^id: \d+\nevent/gm,
    );
    expect(new Set(got.map(({ seq }) => seq)).size).toBe(denied?.length);
  });

  test('a slow one holds up no other, and none keeps a controller from stopping', async () => {
    const { place, controller } = await controllerAt('timeout: 1h');
    const silent = await receiver(() => {});
    const { got, url } = await receiver();
    await add(place, silent.url);
    await add(place, url);
    await happen(place);
    await until(() => got.length === 2, 'the other is served');
    const asked = performance.now();
    controller.child.kill('SIGTERM');
    expect(await controller.done).toMatchObject({ code: 0 });
    expect(performance.now() - asked).toBeLessThan(5_000);
  });

  test('is told everything at least once, in order, whenever the controller is killed', async () => {
    const { place } = await controllerAt('tries: 100, wait: 10ms, waitMax: 20ms');
    const { got, url } = await receiver((response) => void setTimeout(() => response.end(), 3));
    const { webhook } = await add(place, url, { after: 0 });
    let going = true;
    const source = (async () => {
      while (going) await happen(place).catch(() => new Promise((resolve) => setTimeout(resolve, 20)));
    })();
    for (let death = 0; death < 5; death += 1) {
      const before = got.length;
      await until(() => got.length > before + 20, 'some are delivered');
      process.kill(place.controllerPid() ?? 0, 'SIGKILL');
      await until(() => place.controllerPid() === undefined, 'it is dead');
      await place.controller();
    }
    going = false;
    await source;
    const end = await head(place);
    await until(async () => (await show(place, webhook)).cursor === end, 'it has everything');
    const firsts = [...new Set(got.map(({ seq }) => seq))];
    expect(firsts).toEqual(Array.from({ length: end }, (_, index) => index + 1));
    // What is told twice is what was on its way when the controller died.
    expect(got.length - end).toBeLessThanOrEqual(5);
    expect(await deadOf(place, webhook)).toEqual([]);
  });
});

describe('an address or secret that is none', () => {
  const REFUSED: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ url: `http://127.0.0.1/${'x'.repeat(3_000)}` }, 'body_invalid'],
    [{ url: 'http://8.8.8.8/' }, 'webhook_refused'],
    [{ url: 'http://169.254.169.254/latest' }, 'webhook_refused'],
    [{ url: 'ftp://127.0.0.1/' }, 'webhook_refused'],
    [{ url: 'http://me:pw@127.0.0.1/' }, 'webhook_refused'],
    [{ url: 'http://127.0.0.1/', secret: 'hush' }, 'webhook_refused'],
    [{ url: 'http://127.0.0.1/', after: 1_000_000 }, 'cursor_ahead'],
    [{ url: 'http://127.0.0.1/', type: 'a b' }, 'body_invalid'],
    [{ url: 'http://127.0.0.1/', colour: 'red' }, 'body_invalid'],
    [{}, 'body_invalid'],
  ];

  test('is refused, and leaves nothing behind', async () => {
    const { place, to } = await controllerAt();
    for (const [body, code] of REFUSED) {
      const answer = await ask(to, 'POST', '/v1/webhooks', { body });
      expect({ body, code: (answer.json as { code: string }).code }).toEqual({ body, code });
      expect(answer.text).not.toContain('hush');
    }
    expect((await place.json<WebhookList>(['webhook', 'list'])).webhooks).toEqual([]);
    expect(existsSync(join(place.home, 'webhooks.db'))).toBe(false);
  });

  test('what is unknown is said to be so', async () => {
    const { place, to } = await controllerAt();
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/dead'],
    ])
      expect(await ask(to, method ?? '', `/v1/webhooks/nope${path}`)).toMatchObject({
        status: 404,
        json: { code: 'webhook_unknown' },
      });
    expect(await place.run(['webhook', 'retry', 'nope'])).toMatchObject({ code: 75 });
    expect(await place.run(['webhook', 'add', 'http://127.0.0.1/', '--secret-file', '/nowhere'])).toMatchObject({
      code: 64,
    });
    expect(await place.run(['webhook', 'add', 'http://127.0.0.1/', '--after', 'x'])).toMatchObject({ code: 64 });
  });

  test('a store that is broken is said to be so, and stops nothing else', async () => {
    const place = ownPlace();
    mkdirSync(place.home, { recursive: true, mode: 0o700 });
    writeFileSync(join(place.home, 'webhooks.db'), 'this is no database, '.repeat(500));
    await place.controller();
    expect(await place.guard('true')).toMatchObject({ code: 0 });
    expect(await place.run(['webhook', 'list'])).toMatchObject({
      code: 75,
      stderr: expect.stringContaining('webhooks_unavailable') as string,
    });
    expect(await place.run(['status'])).toMatchObject({ code: 0 });
    expect(readFileSync(join(place.home, 'webhooks.db'), 'utf8')).toContain('no database');
  });
});
