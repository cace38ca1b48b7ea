import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import { LinkDoor } from '../../../src/doors/link/door.ts';
import type { Heartbeat } from '../../../src/ports/mesh.ts';
import { VirtualClock } from '../../engine/place.ts';
import { until } from '../../until.ts';

let clock: VirtualClock;
let door: LinkDoor;
let server: Server;
let heard: string[];
let counts: () => boolean;
let logged: string[];
const sockets: WebSocket[] = [];

beforeEach(async () => {
  clock = new VirtualClock();
  heard = [];
  counts = () => true;
  logged = [];
  const log = (_: unknown, message: string): void => void logged.push(message);
  door = new LinkDoor({
    heard: (node, { seq, pulse }, carrier) => heard.push(`${node} ${pulse.boot} ${seq} ${carrier}`),
    clock,
    log: { info: log, warn: log, error: log },
  });
  server = createServer((_, response) => response.end('no link'));
  server.on('upgrade', (request, socket, head) =>
    door.accept(request, socket, head, String(request.headers['hauki-node']), () => counts()),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  door.close();
  for (const socket of sockets.splice(0)) socket.terminate();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

interface Peer {
  readonly socket: WebSocket;
  readonly got: string[];
  /** Code and words of the close, or of the answer that refused. */
  ended: string | undefined;
}

function port(): number {
  return (server.address() as AddressInfo).port;
}

async function link(node: string): Promise<Peer> {
  const socket = new WebSocket(`ws://127.0.0.1:${port()}${door.path}`, {
    headers: { 'hauki-node': node },
  });
  sockets.push(socket);
  const peer: Peer = { socket, got: [], ended: undefined };
  socket.on('message', (data) => peer.got.push((data as Buffer).toString()));
  socket.on('close', (code, words) => (peer.ended ??= `${code} ${String(words)}`));
  socket.on('error', (error) => (peer.ended ??= error.message));
  await until(() => socket.readyState === WebSocket.OPEN || peer.ended !== undefined, 'the link is open or refused');
  return peer;
}

function beat(peer: Peer, boot: string, seq: number): void {
  const heartbeat: Heartbeat = {
    seq,
    pulse: { boot, state: 'running', epoch: 0, ack: 0 },
    version: 'test',
    at: 0,
    uptimeMs: 0,
    load: 0,
    memoryBytes: 0,
    leases: [],
  };
  peer.socket.send(JSON.stringify({ type: 'heartbeat', ...heartbeat }));
}

async function linked(node: string, boot: string): Promise<Peer> {
  const peer = await link(node);
  beat(peer, boot, 1);
  await until(() => heard.includes(`${node} ${boot} 1 link`) || peer.ended !== undefined, 'it is heard or refused');
  return peer;
}

describe('a link', () => {
  it('carries heartbeats in, and orders out to those that are named', async () => {
    const [crm, web] = [await linked('crm', 'a'), await linked('web', 'b')];
    expect(heard).toEqual(['crm a 1 link', 'web b 1 link']);
    door.send(['crm', 'nobody'], { type: 'resume', epoch: 1, order: 2 });
    await until(() => crm.got.length > 0, 'it has the order');
    expect([crm.got, web.got]).toEqual([['{"type":"resume","epoch":1,"order":2}'], []]);
    expect([door.reaches('crm'), door.reaches('nobody')]).toEqual([true, false]);
    crm.socket.close();
    await until(() => !door.reaches('crm'), 'it is gone');
  });

  it('gives a command to a node and its answer back', async () => {
    const crm = await linked('crm', 'a');
    crm.socket.on('message', (data) => {
      const { id, verb } = JSON.parse((data as Buffer).toString()) as { id: string; verb: string };
      if (verb === 'ping') crm.socket.send(JSON.stringify({ type: 'answer', id, ok: true, words: 'here' }));
    });
    expect(await door.command('crm', { verb: 'ping' })).toMatchObject({ ok: true, value: { words: 'here' } });
    const silent = door.command('crm', { verb: 'thaw' });
    await clock.pass(5_000);
    expect(await silent).toMatchObject({ ok: false, error: { code: 'node_lost' } });
    const broken = door.command('crm', { verb: 'poll' });
    crm.socket.terminate();
    expect(await broken).toMatchObject({ ok: false, error: { code: 'node_lost' } });
    expect(await door.command('crm', { verb: 'ping' })).toMatchObject({ ok: false, error: { code: 'node_lost' } });
  });

  it('does not take a late answer to a command of an earlier link for that to another', async () => {
    const first = await linked('crm', 'a');
    const commands: { id: string; verb: string }[] = [];
    const keep = (data: unknown): void => void commands.push(JSON.parse(String(data)) as (typeof commands)[0]);
    first.socket.on('message', keep);
    const poll = door.command('crm', { verb: 'poll' });
    await until(() => commands.length === 1, 'it has the command');
    first.socket.terminate();
    expect(await poll).toMatchObject({ ok: false, error: { code: 'node_lost' } });
    const second = await link('crm');
    second.socket.on('message', keep);
    beat(second, 'a', 2);
    await until(() => heard.includes('crm a 2 link'), 'it is linked again');
    const thaw = door.command('crm', { verb: 'thaw' });
    await until(() => commands.length === 2, 'it has the other');
    // A node answers over whatever link it has by then.
    for (const { id, verb } of commands)
      second.socket.send(JSON.stringify({ type: 'answer', id, ok: true, words: verb }));
    expect(await thaw).toMatchObject({ ok: true, value: { words: 'thaw' } });
  });

  it('says goodbye when the controller stops', async () => {
    const crm = await linked('crm', 'a');
    door.close();
    await until(() => crm.ended, 'it is closed');
    expect(crm.ended).toBe('1001 the controller stops');
    expect((await link('web')).ended).toMatch(/hang up|ECONNRESET/);
  });
});

describe('two links of one node', () => {
  it('from the same process: the newer counts', async () => {
    const first = await linked('crm', 'a');
    const second = await link('crm');
    beat(second, 'a', 2);
    await until(() => first.ended, 'the first is closed');
    expect(first.ended).toMatch(/^4001/);
    expect(door.reaches('crm')).toBe(true);
    door.send(['crm'], { type: 'resume', epoch: 1, order: 2 });
    await until(() => second.got.length > 0, 'orders go to the second');
  });

  it('from two processes: the older is kept, until it is silent', async () => {
    const older = await linked('crm', 'a');
    const newer = await linked('crm', 'b');
    expect(newer.ended).toMatch(/^4009/);
    expect(heard).toEqual(['crm a 1 link']);
    expect(logged).toContain('two processes call themselves the same node; the older is kept');
    await clock.pass(5_000);
    await linked('crm', 'c');
    await until(() => older.ended, 'the silent one is closed');
    expect(older.ended).toMatch(/^4001/);
    expect(heard).toContain('crm c 1 link');
  });

  it('a process that died makes room at once', async () => {
    const first = await linked('crm', 'a');
    first.socket.terminate();
    await until(() => !door.reaches('crm'), 'it is gone');
    expect((await linked('crm', 'b')).ended).toBeUndefined();
  });

  it('nobody collects links that say nothing', async () => {
    const many = await Promise.all(Array.from({ length: 50 }, () => link('crm')));
    await until(() => many.filter(({ ended }) => ended === undefined).length === 1, 'one is left');
    await clock.pass(15_000);
    await until(() => many.every(({ ended }) => ended !== undefined), 'none is left');
    expect(new Set(many.map(({ ended }) => ended?.slice(0, 4)))).toEqual(new Set(['4001', '4008']));
  });
});

describe('what a link has to bear', { timeout: 30_000 }, () => {
  it('a silent peer: closed within 15 s', async () => {
    const crm = await linked('crm', 'a');
    await clock.pass(10_000);
    expect(crm.ended).toBeUndefined();
    await clock.pass(5_000);
    await until(() => crm.ended, 'it is closed');
    expect(crm.ended).toMatch(/^4008/);
  });

  it('one whose certificate does not count any more: closed, however much it has to say', async () => {
    const end = clock.now() + 20_000;
    counts = () => clock.now() < end;
    const crm = await linked('crm', 'a');
    for (let seq = 2; seq < 10; seq += 1) {
      beat(crm, 'a', seq);
      await until(() => heard.includes(`crm a ${seq} link`), 'it is heard');
      await clock.pass(2_000);
    }
    expect(crm.ended).toBeUndefined();
    await clock.pass(5_000);
    await until(() => crm.ended, 'it is closed');
    expect(crm.ended).toMatch(/^4010/);
  });

  it('10,000 junk messages: counted, a line in the log, and closed', async () => {
    const [crm, web] = [await linked('crm', 'a'), await linked('web', 'b')];
    for (let times = 0; times < 10_000; times += 1) crm.socket.send(`{"type":"junk","n":${times}}`);
    await until(() => crm.ended, 'it is closed');
    expect(crm.ended).toMatch(/^4040/);
    expect(door.junk).toBeLessThan(20);
    expect(logged.filter((line) => /not understood/.test(line))).toHaveLength(1);
    beat(web, 'b', 2);
    await until(() => heard.includes('web b 2 link'), 'others are heard as before');
  });

  it.each([
    '',
    '[]',
    '{',
    'null',
    '🦅'.repeat(300),
    '\u0000',
    '{"type":"heartbeat"}',
    '{"__proto__":{"type":"heartbeat"}}',
  ])('junk: %j', async (text) => {
    const crm = await linked('crm', 'a');
    crm.socket.send(text);
    crm.socket.send(Buffer.from([1, 2, 3]));
    beat(crm, 'a', 2);
    await until(() => heard.includes('crm a 2 link'), 'what is well said is heard all the same');
    expect(door.junk).toBe(2);
  });

  it('messages without end, all of them well said: closed', async () => {
    const crm = await linked('crm', 'a');
    for (let seq = 2; seq < 10_000; seq += 1) beat(crm, 'a', seq);
    await until(() => crm.ended, 'it is closed');
    expect(crm.ended).toMatch(/^4029/);
    expect(heard.length).toBeLessThan(110);
  });

  it('a message of 100 MB: cut off before it is in memory', async () => {
    const crm = await linked('crm', 'a');
    const before = process.memoryUsage().rss;
    crm.socket.send(Buffer.alloc(100 * 1024 * 1024, 'x'), { binary: false });
    await until(() => crm.ended, 'it is closed');
    expect(crm.ended).toMatch(/^1009|EPIPE|ECONNRESET/);
    // The test's own 100 MB are in there.
    expect(process.memoryUsage().rss - before).toBeLessThan(250 * 1024 * 1024);
  });

  it('a heartbeat that speaks for another process than before', async () => {
    const crm = await linked('crm', 'a');
    beat(crm, 'z', 2);
    beat(crm, 'a', 3);
    await until(() => heard.includes('crm a 3 link'), 'the next is heard');
    expect(heard).toEqual(['crm a 1 link', 'crm a 3 link']);
  });

  it('a frame that comes byte by byte and never ends', async () => {
    const raw = connect(port(), '127.0.0.1');
    let [said, ended] = ['', false];
    raw.on('data', (chunk) => (said += String(chunk)));
    raw.on('error', () => {});
    raw.on('close', () => (ended = true));
    raw.write(
      'GET /v1/link HTTP/1.1\r\nhost: x\r\nhauki-node: crm\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
        'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    await until(() => said.startsWith('HTTP/1.1 101'), 'it is let in');
    raw.write(Buffer.from([0x81, 0xfe, 0x10, 0x00, 0, 0, 0, 0]));
    for (let times = 0; times < 7; times += 1) {
      raw.write(Buffer.from('x'));
      await clock.pass(2_500);
    }
    await until(() => ended, 'it is closed');
    expect(said).toContain('no heartbeat came for too long');
  });

  it('no WebSocket at all behind the upgrade', async () => {
    const raw = connect(port(), '127.0.0.1');
    let said = '';
    raw.on('data', (chunk) => (said += String(chunk)));
    raw.on('error', () => {});
    raw.write('GET /v1/link HTTP/1.1\r\nhost: x\r\nhauki-node: crm\r\nconnection: upgrade\r\nupgrade: junk\r\n\r\n');
    await until(() => said !== '', 'it is told so');
    expect(said).toMatch(/^HTTP\/1.1 400/);
    expect(door.reaches('crm')).toBe(false);
  });
});
