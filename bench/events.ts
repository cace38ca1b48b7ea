import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import WebSocket from 'ws';

import type { Feed } from '../src/engine/feed.ts';
import { Caller, startServer, stopServer } from './load.ts';
import { quantile, type Row } from './row.ts';

const MUTATIONS = 400;
const WARM_UP = 50;
const TARGET_MS = 5;

/** Wall clock with the resolution of the monotonic one, ms: two processes of one machine can compare it. */
const now = (): number => performance.timeOrigin + performance.now();

/**
 * From the moment an event is durable to the moment a client has it: server-sent events and a WebSocket of the controller, against a bare
 * node:http server in the same process that writes each event as it comes, all three at once for the same events.
 */
export async function eventsBench(): Promise<Row[]> {
  const home = mkdtempSync(join(tmpdir(), 'hauki-bench-'));
  const socket = join(home, 'bench.sock');
  const server = await startServer(home, socket, 'events');
  const caller = new Caller(socket);
  const arrived = { sse: new Map<number, number>(), ws: new Map<number, number>(), bare: new Map<number, number>() };
  const clients = [
    await listenSse(socket, '/v1/events', arrived.sse),
    await listenSse(bareSocket(socket), '/', arrived.bare),
    await listenSocket(socket, arrived.ws),
  ];
  try {
    for (let count = 0; count < WARM_UP; count += 1) await caller.mutation('/bench');
    for (const times of Object.values(arrived)) times.clear();
    for (let count = 0; count < MUTATIONS; count += 1) await caller.mutation('/bench');
    const said = once(server, 'message') as Promise<[[number, number][]]>;
    server.send('times');
    const [published] = await said;
    const latencies = (times: ReadonlyMap<number, number>): number[] =>
      published.flatMap(([seq, at]) => (times.has(seq) ? [(times.get(seq) ?? 0) - at] : []));
    const peer = { name: 'bare node:http SSE', value: quantile(latencies(arrived.bare), 0.5) };
    const rows = (['sse', 'ws'] as const).map((kind): Row => {
      const name = kind === 'sse' ? 'event → SSE client p50' : 'event → WebSocket client p50';
      const p50 = quantile(latencies(arrived[kind]), 0.5);
      return {
        name,
        value: p50,
        unit: 'ms',
        peer,
        ratio: p50 / peer.value,
        target: `≤ ${TARGET_MS} ms`,
        met: p50 <= TARGET_MS,
      };
    });
    return [...rows, { name: 'event → SSE client p99', value: quantile(latencies(arrived.sse), 0.99), unit: 'ms' }];
  } finally {
    for (const close of clients) close();
    caller.close();
    await stopServer(server);
    rmSync(home, { recursive: true, force: true });
  }
}

async function listenSse(socketPath: string, path: string, times: Map<number, number>): Promise<() => void> {
  const call = request({ socketPath, path, agent: false });
  call.end();
  const [response] = (await once(call, 'response')) as [
    AsyncIterable<string> & { setEncoding(encoding: 'utf8'): void },
  ];
  response.setEncoding('utf8');
  void (async () => {
    try {
      for await (const chunk of response)
        for (const [, seq] of chunk.matchAll(/^id: (\d+)\nevent/gm)) times.set(Number(seq), now());
    } catch {
      // It is over.
    }
  })();
  return () => void call.destroy();
}

async function listenSocket(socketPath: string, times: Map<number, number>): Promise<() => void> {
  const ws = new WebSocket(`ws+unix://${socketPath}:/v1/events`);
  ws.on('message', (data: Buffer) => times.set(Number((JSON.parse(data.toString()) as { id: string }).id), now()));
  ws.on('error', () => undefined);
  await once(ws, 'open');
  return () => ws.terminate();
}

function bareSocket(socket: string): string {
  return `${socket}.bare`;
}

/** In the server's process: the peer, and the moments at which events were published. */
export async function bareEvents(feed: Feed, socket: string): Promise<void> {
  const published: [number, number][] = [];
  const clients = new Set<{ write(text: string): boolean }>();
  feed.subscribe(({ seq, event }) => {
    published.push([seq, now()]);
    for (const client of clients) client.write(`id: ${seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  });
  process.on('message', (message) => message === 'times' && process.send?.(published));
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    clients.add(response);
  });
  server.listen(bareSocket(socket));
  await once(server, 'listening');
}
