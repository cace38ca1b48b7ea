import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fastifySSE } from '@fastify/sse';
import Fastify, { type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { systemClock } from '../../../src/bin/clock.ts';
import { ok } from '../../../src/base/result.ts';
import { guardRoutes } from '../../../src/doors/http/access.ts';
import { Denials } from '../../../src/doors/http/denials.ts';
import type { Doorkeeper } from '../../../src/doors/http/principal.ts';
import { taskRoutes } from '../../../src/doors/http/tasks.ts';
import type { Controller } from '../../../src/engine/controller.ts';
import { Tails } from '../../../src/engine/mesh/tails.ts';
import { until } from '../../until.ts';

let folder: string;
let app: FastifyInstance;
let tails: Tails;
let open: Set<Socket>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-tasks-'));
  tails = new Tails(systemClock);
  tails.hear('crm', [{ task: 't', state: 'running', mutation: 'm1' }]);
  const here = new Set<Socket>();
  open = here;
  app = Fastify({ forceCloseConnections: true });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  const controller = { mesh: { tails } } as unknown as Controller;
  const denials = new Denials(() => undefined);
  guardRoutes(app, { principalOf: () => ok({ kind: 'operator' }) } as unknown as Doorkeeper, denials, controller);
  await app.register(fastifySSE, { heartbeatInterval: 15_000 });
  await app.register(taskRoutes, { controller, denials } as never);
  app.server.on('connection', (socket) => {
    here.add(socket);
    socket.on('close', () => here.delete(socket));
  });
  await app.listen({ path: join(folder, 'socket') });
});
afterEach(async () => {
  await app.close();
  rmSync(folder, { recursive: true });
});

/** Whoever asks for what the task says; `said`: what was read of it. */
async function reader(): Promise<{ readonly socket: Socket; said: string }> {
  const socket = connect(join(folder, 'socket'));
  const reading = { socket, said: '' };
  socket.on('data', (chunk) => (reading.said += String(chunk)));
  socket.on('error', () => undefined);
  socket.write('GET /v1/nodes/crm/tasks/t/output HTTP/1.1\r\nhost: x\r\n\r\n');
  await until(() => reading.said.includes('event: state'), 'it follows');
  return reading;
}

/** More than a socket takes when nobody reads at the other end. */
async function sayMuch(): Promise<void> {
  for (let times = 0; times < 200; times += 1) {
    tails.hear('crm', [{ task: 't', text: 'x'.repeat(8_000) }]);
    if (times % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('what a task says', { timeout: 30_000 }, () => {
  test('comes to its end for whoever reads', async () => {
    const one = await reader();
    tails.hear('crm', [{ task: 't', text: 'working\n' }]);
    tails.hear('crm', [{ task: 't', state: 'done', words: 'fine' }]);
    await until(() => one.said.endsWith('0\r\n\r\n'), 'the answer is over');
    expect(one.said).toContain('data: {"text":"working\\n"}');
    expect(one.said).toContain('data: {"state":"done","words":"fine"}');
  });

  test('is not kept for ever for one who stops reading', async () => {
    const one = await reader();
    one.socket.pause();
    await sayMuch();
    expect(await until(() => open.size === 0, 'it is let go', 10_000)).toBe(true);
  });

  test('nor when the task is over', async () => {
    const one = await reader();
    one.socket.pause();
    // Less than for which it is let go, and more than the socket takes.
    for (let times = 0; times < 50; times += 1) tails.hear('crm', [{ task: 't', text: 'x'.repeat(8_000) }]);
    tails.hear('crm', [{ task: 't', state: 'done' }]);
    expect(await until(() => open.size === 0, 'it is let go', 10_000)).toBe(true);
  });
});
