import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';

import { expect, onTestFinished, test } from 'vitest';

import type { CloudEvent } from '../../src/wire/view.ts';
import { until } from '../until.ts';
import { ask, socketOf } from './http.ts';
import { place as ownPlace } from './place.ts';
import { tasksAt } from './tasks.ts';

/* One trace, from whoever asks for a change to whoever hears of it. */

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`;
const traced = { env: { TRACEPARENT: traceparent } };

async function receiver() {
  const got: { readonly headers: IncomingHttpHeaders; readonly event: CloudEvent }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      got.push({ headers: request.headers, event: JSON.parse(body) as CloudEvent });
      response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => void server.close());
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

test('goes from the environment of a guard to its mutation, command, events, webhooks and log lines', async () => {
  const place = ownPlace();
  const controller = await place.controller(['controller', '--port', '0', '--json'], { env: { HAUKI_LOG: 'info' } });
  const to = socketOf(place);
  const { got, url } = await receiver();
  await ask(to, 'POST', '/v1/webhooks', { body: { url, after: 0 } });

  // And through `hauki exec`, which takes little else of its environment along.
  const script = 'echo $TRACEPARENT > here; "$HAUKI" exec --via local -- sh -c "echo \\$TRACEPARENT > there"';
  const HAUKI = join(import.meta.dirname, '../../hauki');
  const done = await place.guard(script, [], { env: { ...traced.env, HAUKI } });
  expect(done).toMatchObject({ code: 0 });
  for (const file of ['here', 'there']) expect(readFileSync(join(place.site, file), 'utf8')).toBe(`${traceparent}\n`);
  await place.guard('exit 3');

  const [plain, own] = await place.mutations();
  expect(own?.traceparent).toBe(traceparent);
  expect(plain).not.toHaveProperty('traceparent');
  const { records } = await place.show(own?.mutation ?? '');
  expect(records.map(({ event }) => event['traceparent'])).toEqual(records.map(() => traceparent));

  await until(() => got.find(({ event }) => event.type === 'hauki.rolled_back'), 'the webhook has heard all');
  for (const { headers, event } of got) {
    const expected = event.subject === own?.mutation ? traceparent : undefined;
    expect([event.traceparent, headers['traceparent']]).toEqual([expected, expected]);
  }
  expect(got.filter(({ event }) => event.traceparent !== undefined).length).toBeGreaterThan(3);

  const lines = controller
    .stderr()
    .split('\n')
    .filter((line) => line.includes(own?.mutation ?? '-'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.map(({ msg }) => msg)).toEqual(['clearance is asked for', 'cleared', 'committed']);
  for (const line of lines) expect(line).toMatchObject({ mutation: own?.mutation, trace_id: TRACE });
});

test('comes by the header too; one that cannot be read is ignored, and makes no other request of it', async () => {
  const place = ownPlace();
  await place.controller();
  const body = { intent: 'traced', datasets: [place.site] };
  const post = (headers: Record<string, string>) =>
    ask(socketOf(place), 'POST', '/v1/mutations', { body, headers: { 'idempotency-key': 'k', ...headers } });
  const first = (await post({ traceparent })).json as { mutation: string };
  expect((await place.show(first.mutation)).traceparent).toBe(traceparent);
  const again = await post({ traceparent: `00-${TRACE}-1111111111111111-01` });
  expect([again.status, (again.json as { mutation: string }).mutation]).toEqual([200, first.mutation]);
  const bad = await ask(socketOf(place), 'POST', '/v1/mutations', {
    body: { ...body, datasets: ['/nowhere'] },
    headers: { traceparent: 'junk' },
  });
  expect(bad.json).toMatchObject({ code: 'dataset_missing' });
});

test('does not go to a controller that a guard starts: what that does for others later is no part of it', async () => {
  const place = ownPlace();
  expect((await place.guard('true', [], traced)).code).toBe(0);
  const pid = await until(() => place.controllerPid(), 'the controller runs');
  expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('TRACEPARENT');
});

test('goes from a task’s header to its mutation, its own environment and its result', async () => {
  const { own, drop, ended, log } = await tasksAt();
  drop('traced.task', `#!/bin/sh\n#hauki traceparent: ${traceparent}\necho "sees $TRACEPARENT"\n`);
  drop('plain.task', '#!/bin/sh\necho "sees ($TRACEPARENT)"\n');
  expect(await ended('traced.task', 'done')).toMatchObject({ traceparent });
  expect(await ended('plain.task', 'done')).not.toHaveProperty('traceparent');
  expect(log('traced.task', 'done')).toContain(`sees ${traceparent}\n`);
  expect(log('plain.task', 'done')).toContain('sees ()\n');
  const mutations = await own.mutations();
  expect(mutations.find(({ task }) => task === 'traced.task')?.traceparent).toBe(traceparent);
});
