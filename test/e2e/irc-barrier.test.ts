import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { systemClock } from '../../src/bin/clock.ts';
import {
  atBoot,
  deadlineOf,
  type Halting,
  type HaltingInput,
  haltingStep,
  pulseOf,
} from '../../src/core/barrier/halting.ts';
import type { Member } from '../../src/core/node/member.ts';
import { IrcCarrier, IrcLink } from '../../src/doors/irc/carrier.ts';
import type { Cursor } from '../../src/doors/irc/cursor.ts';
import { Connection } from '../../src/doors/irc/connection.ts';
import { memberKeys } from '../../src/doors/irc/control-channel.ts';
import { Mesh } from '../../src/engine/mesh/mesh.ts';
import type { Heartbeat } from '../../src/ports/mesh.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { ngircd, type Ngircd, person, type Person } from './ngircd.ts';

/* Barriers over nothing but a control channel of a real IRC server: the controller's mesh, and nodes that have no other link. */

const CONTROL = '#control';
const clock = systemClock;
const log = { info: (): void => {}, warn: (): void => {}, error: (): void => {} };
const controllerKeys = generateKeyPairSync('ed25519');

let folder: string;
let server: Ngircd;
let open: (() => Promise<void>)[];
let members: Map<string, Member>;
let mesh: Mesh;
let carrier: IrcCarrier;
let numbers: Cursor;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-irc-'));
  open = [];
  members = new Map();
  numbers = passing();
  server = await ngircd(folder);
  await server.start();
  mesh = new Mesh({ clock, haltMs: 3_000, answerMs: 2_000 });
  mesh.keep([]);
  const voice = connect('hauki', (line) => carrier.control.hear(line));
  carrier = new IrcCarrier({
    voice,
    channel: CONTROL,
    name: 'host',
    key: () => controllerKeys.privateKey,
    numbers,
    keysOf: (sender) => memberKeys(members.get(sender), clock.now()),
    heard: (node, heartbeat) => mesh.heard(node, heartbeat, 'irc'),
    clock,
    log,
  });
  mesh.addCarrier(carrier);
  await until(() => voice.isIn(CONTROL), 'the controller is in the control channel');
});

afterEach(async () => {
  await Promise.all(open.map((end) => end()));
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A cursor that lives as long as the test. */
function passing(): Cursor {
  let last: number | undefined;
  return { read: () => last, write: (number) => void (last = number) };
}

function connect(nick: string, heard: (line: string) => void): Connection {
  const connection = new Connection({
    server: {
      host: '127.0.0.1',
      port: server.port,
      nick,
      channels: [{ name: CONTROL }],
      flood: { burst: 50, perSecond: 500 },
      patience: { quietMs: 1_000, answerMs: 1_000, retryMs: 100, retryMsMax: 300 },
    },
    clock,
    log,
    random: Math.random,
    onJoined: () => {},
    onSaid: ({ message }) => heard(message),
  });
  connection.start();
  open.push(() => connection.stop());
  return connection;
}

function enrol(name: string, publicKey: KeyObject, more: Partial<Member> = {}): void {
  members.set(name, {
    name,
    fingerprint: '',
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    invitation: '',
    joinedAt: 0,
    expiresAt: Number.MAX_SAFE_INTEGER,
    policy: {},
    ...more,
  });
}

/** A node on IRC alone: the real state machine of a barrier, with a flush that takes a moment. */
class IrcNode {
  readonly name: string;
  readonly keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly link: IrcLink;
  readonly seen: string[] = [];
  halting: Halting;
  #seq = 0;

  constructor(name: string) {
    this.name = name;
    this.halting = atBoot(`${name}-1`);
    enrol(name, this.keys.publicKey);
    const voice = connect(name, (line) => this.link.control.hear(line));
    this.link = new IrcLink({
      voice,
      channel: CONTROL,
      name,
      key: () => this.keys.privateKey,
      numbers: passing(),
      controllerKey: () => controllerKeys.publicKey,
      onMessage: (message) => {
        this.seen.push(message.type);
        if ('order' in message) this.#take({ type: 'order', order: message });
      },
      clock,
      log,
    });
    const beat = setInterval(() => this.#speak(), 500);
    open.push(async () => clearInterval(beat));
  }

  heartbeat(): Heartbeat {
    this.#seq += 1;
    return {
      seq: this.#seq,
      pulse: pulseOf(this.halting),
      version: '0.1.0',
      at: clock.now(),
      uptimeMs: clock.mono(),
      load: 0.25,
      memoryBytes: 50_000_000,
      leases: [{ mutation: '019aa000-0000-7000-8000-000000000001', fence: 7 }],
    };
  }

  #take(input: HaltingInput): void {
    const { next, deeds } = haltingStep(this.halting, input, clock.mono());
    this.halting = next;
    for (const deed of deeds) {
      if (deed.type === 'flush') setTimeout(() => this.#take({ type: 'flushed', epoch: deed.epoch }), 20);
    }
    const due = deadlineOf(next);
    if (due !== undefined) setTimeout(() => this.#take({ type: 'tick' }), due - clock.mono() + 1);
    this.#speak();
  }

  #speak(): void {
    this.link.send({ type: 'heartbeat', ...this.heartbeat() });
  }
}

async function nodes(...names: string[]): Promise<IrcNode[]> {
  const all = names.map((name) => new IrcNode(name));
  await until(() => names.every((name) => mesh.presence(name)?.liveness === 'live'), 'the nodes are live');
  return all;
}

/** Somebody who reads all of it, and repeats or invents what he likes. */
async function mallory(): Promise<Person> {
  const reader = await person(server.port, 'mallory', [CONTROL]);
  open.push(async () => reader.leave());
  return reader;
}

needs('ngircd').describe('a barrier over IRC', () => {
  test('halts nodes that have no other link, and proves that they held', async () => {
    const [crm, billing, apart] = await nodes('crm', 'billing', 'apart');
    expect(mesh.presence('crm')).toMatchObject({ carrier: 'irc' });
    const halted = await mesh.halt({
      epoch: 7,
      nodes: ['crm', 'billing'],
      intent: 'migrate “everything”\r\n🦩',
      flushMsMax: 5_000,
    });
    expect(halted).toMatchObject({ ok: true });
    expect([crm, billing, apart].map((node) => node?.halting.state)).toEqual(['halted', 'halted', 'running']);
    expect(await mesh.verify(7, false)).toEqual({ ok: true, value: undefined });
    expect([crm, billing].map((node) => node?.halting)).toMatchObject([
      { state: 'running', epoch: 7, held: true },
      { state: 'running', epoch: 7, held: true },
    ]);
    expect(apart?.seen).toEqual([]);
    expect(apart?.link.control.ignored).toMatchObject({ not_for_us: expect.any(Number) as number });
  });

  test('is broken, and no node stays halted, when the server dies in it', async () => {
    const [crm] = await nodes('crm');
    expect(await mesh.halt({ epoch: 8, nodes: ['crm'], intent: 'x', flushMsMax: 5_000 })).toMatchObject({ ok: true });
    await server.kill('SIGKILL');
    await until(() => crm?.halting.state === 'running', 'the node thaws by itself');
    expect(await mesh.verify(8, false)).toMatchObject({ ok: false, error: { code: 'barrier_broken' } });
    expect(crm?.halting).toMatchObject({ held: false });
    await server.start();
    mesh.keep([]);
    await until(() => mesh.presence('crm')?.liveness === 'live', 'the node is heard again');
    expect(await mesh.halt({ epoch: 9, nodes: ['crm'], intent: 'x', flushMsMax: 5_000 })).toMatchObject({ ok: true });
    expect(await mesh.verify(9, false)).toMatchObject({ ok: true });
  });

  test('obeys nobody else: forged, replayed and old lines are ignored and counted', async () => {
    const reader = await mallory();
    const [crm] = await nodes('crm');
    if (crm === undefined) throw new Error('no node');
    await mesh.halt({ epoch: 10, nodes: ['crm'], intent: 'x', flushMsMax: 5_000 });
    await mesh.verify(10, false);
    const orders = reader.lines('hauki').filter((line) => /^HAUKI1 (halt|resume)/.test(line));
    expect(orders.length).toBeGreaterThanOrEqual(2);
    const before = crm.seen.length;

    for (const line of orders) reader.client.say(CONTROL, line);
    await until(() => (crm.link.control.ignored.replayed ?? 0) >= orders.length, 'replays are counted');
    const [halt = ''] = orders;
    for (const line of [
      halt.replace(/ \d{13} /, ` ${clock.now() + 1_000} `),
      halt.replace('halt', 'resume'),
      `${halt.slice(0, -12)}AAAAAAAAAA==`,
    ])
      reader.client.say(CONTROL, line);
    await until(() => (crm.link.control.ignored.forged ?? 0) >= 3, 'forgeries are counted');
    reader.client.say(CONTROL, 'HAUKI1 halt everybody now');
    reader.client.say(CONTROL, `HAUKI1 ${'🦩'.repeat(80)}`);
    reader.client.say(CONTROL, 'hello everybody');
    await until(() => (crm.link.control.ignored.malformed ?? 0) >= 2, 'junk is counted');
    expect(crm.seen.length).toBe(before);
    expect(crm.halting).toMatchObject({ state: 'running', epoch: 10, held: true });

    // And the controller: a heartbeat said again makes no dead node live.
    const beats = reader.lines('crm');
    for (const line of beats.slice(0, 5)) reader.client.say(CONTROL, line);
    await until(() => (carrier.control.ignored.replayed ?? 0) >= 5, 'replayed heartbeats are counted');
  });

  test('a controller that has just started takes nothing from before', async () => {
    const reader = await mallory();
    await nodes('crm');
    const beats = await until(() => {
      const lines = reader.lines('crm');
      return lines.length > 2 ? lines : undefined;
    }, 'heartbeats');
    await new Promise((resolve) => setTimeout(resolve, 5));
    const fresh = new IrcCarrier({
      voice: { isIn: () => true, sayTogether: async () => true, offer: () => true },
      channel: CONTROL,
      name: 'host',
      key: () => controllerKeys.privateKey,
      numbers: passing(),
      keysOf: (sender) => memberKeys(members.get(sender), clock.now()),
      heard: () => expect.unreachable(),
      clock,
      log,
    });
    for (const line of beats) fresh.control.hear(line);
    expect(fresh.control.ignored).toEqual({ old: beats.length });
  });

  test('a node that was revoked is heard no more, and its old key neither', async () => {
    const [crm] = await nodes('crm');
    if (crm === undefined) throw new Error('no node');
    const member = members.get('crm');
    if (member === undefined) throw new Error('no member');
    members.set('crm', { ...member, revokedAt: clock.now() });
    await until(() => (carrier.control.ignored.unknown_sender ?? 0) > 0, 'its lines are counted');
    const other = generateKeyPairSync('ed25519');
    const { publicKey } = member;
    enrol('crm', other.publicKey, { previous: { fingerprint: '', publicKey, until: clock.now() - 1 } });
    await until(() => (carrier.control.ignored.forged ?? 0) > 0, 'the key before a rotation, too late');
    enrol('crm', other.publicKey, { previous: { fingerprint: '', publicKey, until: clock.now() + 60_000 } });
    const { heardAt } = mesh.presence('crm') ?? { heardAt: 0 };
    await until(() => (mesh.presence('crm')?.heardAt ?? 0) > heardAt, 'the key before a rotation, in time');
    expect(crm.seen).toEqual([]);
  });

  test('a controller whose clock was set back is heard all the same, and takes nothing from before', async () => {
    const reader = await mallory();
    const [crm] = await nodes('crm');
    expect(await mesh.halt({ epoch: 30, nodes: ['crm'], intent: 'x', flushMsMax: 5_000 })).toMatchObject({ ok: true });
    expect(await mesh.verify(30, false)).toMatchObject({ ok: true });
    const beats = reader.lines('crm').filter((line) => Number(line.split(' ')[3]) < (numbers.read() ?? 0));

    // The controller's connection was the first.
    await open.shift()?.();
    // The next run, with what the one before kept, and a clock that is a minute behind.
    const behind = { ...clock, now: () => clock.now() - 60_000 };
    const next = new Mesh({ clock: behind, haltMs: 3_000, answerMs: 2_000 });
    next.keep([]);
    const voice = connect('hauki2', (line) => again.control.hear(line));
    const again = new IrcCarrier({
      voice,
      channel: CONTROL,
      name: 'host',
      key: () => controllerKeys.privateKey,
      numbers,
      keysOf: (sender) => memberKeys(members.get(sender), clock.now()),
      heard: (node, heartbeat) => next.heard(node, heartbeat, 'irc'),
      clock: behind,
      log,
    });
    next.addCarrier(again);
    for (const line of beats) again.control.hear(line);
    expect([beats.length > 2, again.control.ignored.old]).toEqual([true, beats.length]);
    await until(() => next.presence('crm')?.liveness === 'live', 'the node is heard');
    expect(await next.halt({ epoch: 31, nodes: ['crm'], intent: 'x', flushMsMax: 5_000 })).toMatchObject({ ok: true });
    expect(await next.verify(31, false)).toMatchObject({ ok: true });
    expect(crm?.halting).toMatchObject({ state: 'running', epoch: 31, held: true });
  });

  test('goes through while somebody floods the channel with junk', async () => {
    const reader = await mallory();
    await nodes('crm', 'billing');
    let going = true;
    const flood = (async () => {
      for (let count = 0; going && count < 20_000; count += 1) {
        reader.client.say(CONTROL, `HAUKI1 heartbeat crm ${clock.now()} 1/1 ${'A'.repeat(100)} ${'B'.repeat(85)}A==`);
        if (count % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    for (const epoch of [20, 21, 22]) {
      expect(await mesh.halt({ epoch, nodes: ['crm', 'billing'], intent: 'x', flushMsMax: 5_000 })).toMatchObject({
        ok: true,
      });
      expect(await mesh.verify(epoch, false)).toMatchObject({ ok: true });
      mesh.keep([]);
    }
    going = false;
    await flood;
    expect(carrier.control.ignored.forged).toBeGreaterThan(100);
  });
});
