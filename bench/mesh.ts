import { type ChildProcess, fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { WebSocket, WebSocketServer } from 'ws';

import { systemClock } from '../src/bin/clock.ts';
import { atBoot, type HaltingInput, haltingStep, pulseOf } from '../src/core/barrier/halting.ts';
import { LinkDoor } from '../src/doors/link/door.ts';
import { Mesh } from '../src/engine/mesh/mesh.ts';
import { type MessageToController, readToNode, writeMessage } from '../src/wire/link.ts';
import { Random } from '../sim/random.ts';
import { type Being, processClock, Timeline } from '../sim/timeline.ts';
import { quantile, type Row } from './row.ts';

const NODES = 1_000;
const BARRIERS = 15;
const BEAT_MS = 2_000;
const BEATS_MS = 10_000;
/** Nodes connect so many at a time. */
const CONNECT_AT_ONCE = 100;
const CURVE = [10, 100, 1_000, 10_000] as const;

/** Barriers over real WebSockets on loopback, all nodes in one process beside, against the bare fan-out of the same two messages. */
export async function meshBench(): Promise<Row[]> {
  const bare = await bareFanOut(NODES);
  const server = createServer();
  const mesh = new Mesh({ clock: systemClock });
  const log = { info: () => undefined, warn: () => undefined, error: console.error };
  const link = new LinkDoor({
    heard: (node, heartbeat, carrier) => mesh.heard(node, heartbeat, carrier),
    clock: systemClock,
    log,
  });
  mesh.addCarrier(link);
  mesh.keep([]);
  server.on('upgrade', (request, socket, head) =>
    link.accept(request, socket, head, String(request.headers['hauki-node'])),
  );
  const port = await listening(server);
  const nodes = Array.from({ length: NODES }, (_, index) => `node${index}`);
  const child = await startNodes('machines', port, NODES);
  while (!nodes.every((node) => mesh.presence(node) !== undefined)) await pause(50);

  const before = process.cpuUsage();
  const since = performance.now();
  await pause(BEATS_MS);
  const { user, system } = process.cpuUsage(before);
  const share = ((user + system) / 1_000 / (performance.now() - since)) * 100;

  const samples: number[] = [];
  for (let epoch = 1; epoch <= BARRIERS; epoch += 1) {
    const start = performance.now();
    const halted = await mesh.halt({ epoch, nodes, intent: 'bench', flushMsMax: 30_000 });
    if (!halted.ok) throw new Error(halted.error.message);
    const held = await mesh.verify(epoch, false);
    if (!held.ok) throw new Error(held.error.message);
    samples.push(performance.now() - start);
    mesh.keep([]);
  }
  const rssMb = process.memoryUsage.rss() / 1e6;
  await ended(child);
  link.close();
  server.close();
  const p50 = quantile(samples, 0.5);
  const peer = { name: 'bare ws fan-out', value: bare };
  return [
    {
      name: `${NODES} nodes: HALT to last RESUMED, p50`,
      value: p50,
      unit: 'ms',
      peer,
      ratio: p50 / bare,
      target: '≤ 2 ×',
      met: p50 <= 2 * bare,
    },
    { name: `heartbeats of ${NODES} nodes, of one core`, value: share, unit: '%', target: '≤ 10 %', met: share <= 10 },
    { name: `process with ${NODES} links, RSS`, value: rssMb, unit: 'MB', target: '≤ 200 MB', met: rssMb <= 200 },
  ];
}

/** Two messages to all, each echoed by all, one after the other. @returns the median, ms */
async function bareFanOut(count: number): Promise<number> {
  const server = createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  const port = await listening(server);
  let echoed = (): void => {};
  sockets.on('connection', (socket) => socket.on('message', () => echoed()));
  const child = await startNodes('echo', port, count);
  const texts = (['halt', 'resume'] as const).map((type) =>
    Buffer.from(JSON.stringify({ type, epoch: 1, order: 1, forMs: 10_000, intent: 'bench' })),
  );
  const samples: number[] = [];
  for (let turn = 0; turn < BARRIERS; turn += 1) {
    const start = performance.now();
    for (const text of texts) {
      let left = count;
      const all = new Promise<void>((resolve) => (echoed = () => (left -= 1) === 0 && resolve()));
      for (const socket of sockets.clients) socket.send(text, { binary: false });
      await all;
    }
    samples.push(performance.now() - start);
  }
  await ended(child);
  sockets.close();
  server.close();
  return quantile(samples, 0.5);
}

/** `bench nodes machines|echo PORT COUNT`: the other side, so many nodes in one process. */
export async function benchNodes(kind: string, port: number, count: number): Promise<void> {
  for (let done = 0; done < count; done += CONNECT_AT_ONCE) {
    const some = Array.from({ length: Math.min(CONNECT_AT_ONCE, count - done) }, (_, index) => `node${done + index}`);
    await Promise.all(some.map((name) => (kind === 'echo' ? echo(port) : machine(name, port))));
  }
  process.send?.('ready');
  process.once('disconnect', () => process.exit(0));
}

async function echo(port: number): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/link`, { perMessageDeflate: false });
  socket.on('message', (data: Buffer) => socket.send(data, { binary: false }));
  await new Promise((resolve) => socket.once('open', resolve));
}

/** A node whose flush takes no time: what is measured is the protocol. */
async function machine(name: string, port: number): Promise<void> {
  const headers = { 'hauki-node': name };
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/link`, { perMessageDeflate: false, headers });
  let halting = atBoot(name);
  let seq = 0;
  const speak = (): void => {
    seq += 1;
    const heartbeat: MessageToController = {
      type: 'heartbeat',
      seq,
      pulse: pulseOf(halting),
      version: 'bench',
      at: Date.now(),
      uptimeMs: performance.now(),
      load: 0.1,
      memoryBytes: 50_000_000,
      leases: [],
    };
    socket.send(writeMessage(heartbeat));
  };
  const take = (input: HaltingInput): void => {
    const { next, deeds } = haltingStep(halting, input, performance.now());
    halting = next;
    const flush = deeds.find(({ type }) => type === 'flush');
    if (flush !== undefined) take({ type: 'flushed', epoch: flush.epoch });
    else speak();
  };
  socket.on('message', (data: Buffer) => {
    const order = readToNode(data.toString());
    if (order.ok && 'order' in order.value) take({ type: 'order', order: order.value });
  });
  await new Promise((resolve) => socket.once('open', resolve));
  speak();
  setTimeout(() => setInterval(speak, BEAT_MS), Math.random() * BEAT_MS);
}

async function startNodes(kind: 'machines' | 'echo', port: number, count: number): Promise<ChildProcess> {
  const child = fork(process.argv[1] ?? '', ['nodes', kind, String(port), String(count)], { stdio: 'inherit' });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`the nodes ended with ${code}`)));
  });
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

function listening(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Barrier time against nodes, under virtual time: each message takes 1 to 50 ms, mostly little, each flush 1 to 200. And what the
 * controller computes for it, which is real.
 */
export async function barrierCurveBench(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of CURVE) {
    const { virtualMs, cpuMs } = await oneBarrier(count);
    rows.push({ name: `barrier over ${count} nodes, virtual time`, value: virtualMs, unit: 'ms' });
    rows.push({ name: `… computed by controller and nodes`, value: cpuMs, unit: 'ms' });
  }
  return rows;
}

async function oneBarrier(count: number): Promise<{ virtualMs: number; cpuMs: number }> {
  const random = new Random(count);
  const timeline = new Timeline(random);
  const being: Being = { alive: true, stalledUntil: 0 };
  const clock = processClock(timeline, being, 0, () => 0);
  const mesh = new Mesh({ clock });
  const nodes = new Map<string, (input: HaltingInput) => void>();
  mesh.addCarrier({
    name: 'bench',
    reaches: () => true,
    send: (names, order) => {
      for (const name of names)
        timeline.plan(random.latency(1, 50), being, () => nodes.get(name)?.({ type: 'order', order }));
    },
  });
  mesh.keep([]);
  for (let index = 0; index < count; index += 1) {
    const name = `node${index}`;
    let halting = atBoot(name);
    let seq = 0;
    const speak = (): void => {
      seq += 1;
      const pulse = pulseOf(halting);
      const heartbeat = { seq, pulse, version: '', at: 0, uptimeMs: 0, load: 0, memoryBytes: 0, leases: [] };
      timeline.plan(random.latency(1, 50), being, () => mesh.heard(name, heartbeat, 'bench'));
    };
    const take = (input: HaltingInput): void => {
      const { next, deeds } = haltingStep(halting, input, timeline.now);
      halting = next;
      for (const { type, epoch } of deeds)
        if (type === 'flush') timeline.plan(random.latency(1, 200), being, () => take({ type: 'flushed', epoch }));
      speak();
    };
    nodes.set(name, take);
    speak();
  }
  const until = async <T>(promise: Promise<T>): Promise<T> => {
    let settled: { value: T } | undefined;
    void promise.then((value) => (settled = { value }));
    while (settled === undefined && (await timeline.step(Infinity))) continue;
    if (settled === undefined) throw new Error('the barrier never ended');
    return settled.value;
  };
  while (
    mesh.presence(`node${count - 1}`) === undefined ||
    [...nodes.keys()].some((node) => mesh.presence(node) === undefined)
  )
    await timeline.step(Infinity);
  const start = timeline.now;
  const before = process.cpuUsage();
  const halted = await until(mesh.halt({ epoch: 1, nodes: [...nodes.keys()], intent: 'bench', flushMsMax: 30_000 }));
  const held = await until(mesh.verify(1, false));
  if (!halted.ok || !held.ok) throw new Error('the barrier failed');
  const { user, system } = process.cpuUsage(before);
  return { virtualMs: timeline.now - start, cpuMs: (user + system) / 1_000 };
}
