import { beforeEach, describe, expect, it } from 'vitest';

import { Mesh } from '../../../src/engine/mesh/mesh.ts';
import { VirtualClock } from '../place.ts';
import { carrierTo, FakeNode } from './nodes.ts';

const HALT_MS = 9_000;
const EPOCH = 7;
const round = { epoch: EPOCH, nodes: ['crm', 'web'], intent: 'bump the schema', flushMsMax: 30_000 };

let clock: VirtualClock;
let mesh: Mesh;
let crm: FakeNode;
let web: FakeNode;
let nodes: Map<string, FakeNode>;

function meshOver(): Mesh {
  const one = new Mesh({ clock, haltMs: HALT_MS, answerMs: 3_000 });
  one.addCarrier(carrierTo(nodes, clock));
  return one;
}

beforeEach(async () => {
  clock = new VirtualClock();
  nodes = new Map();
  mesh = meshOver();
  crm = new FakeNode('crm', clock, () => mesh);
  web = new FakeNode('web', clock, () => mesh);
  nodes.set('crm', crm).set('web', web);
  await clock.pass(10);
});

/** Lets time go by until the promise has settled. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | 'open'> {
  let value: T | 'open' = 'open';
  void promise.then((settled) => (value = settled));
  await clock.pass(ms);
  return value;
}

describe('a barrier over the mesh', () => {
  it('halts, waits for the flush, and lets the nodes go on when they have held', async () => {
    web.flushMs = 500;
    const halting = mesh.halt(round);
    expect(await within(100, halting)).toBe('open');
    expect(mesh.barriers()).toMatchObject([{ phase: 'flushing', answered: [{ node: 'crm' }], awaited: ['web'] }]);
    expect(await within(1_000, halting)).toMatchObject({
      ok: true,
      value: [{ node: 'crm' }, { node: 'web', tookMs: 502 }],
    });
    expect([crm.state, web.state]).toEqual(['halted', 'halted']);
    expect(mesh.barriers()).toMatchObject([{ phase: 'frozen', broken: [] }]);

    expect(await within(100, mesh.verify(EPOCH, false))).toEqual({ ok: true, value: undefined });
    expect([crm.state, web.state]).toEqual(['running', 'running']);
    mesh.keep([]);
    expect(mesh.barriers()).toEqual([]);
  });

  it('keeps nodes halted for longer than their deadline while the snapshot takes its time', async () => {
    await within(100, mesh.halt(round));
    await clock.pass(HALT_MS * 5);
    expect([crm.state, web.state]).toEqual(['halted', 'halted']);
    expect(await within(100, mesh.verify(EPOCH, false))).toMatchObject({ ok: true });
  });

  it('with hold, proves that all are still halted, and they stay so until nobody wants the barrier', async () => {
    await within(100, mesh.halt(round));
    expect(await within(100, mesh.verify(EPOCH, true))).toMatchObject({ ok: true });
    mesh.keep([{ epoch: EPOCH, nodes: round.nodes, revive: true }]);
    await clock.pass(HALT_MS * 3);
    expect([crm.state, web.state]).toEqual(['halted', 'halted']);
    mesh.keep([]);
    await clock.pass(10);
    expect([crm.state, web.state]).toEqual(['running', 'running']);
  });

  it('halts nobody when one is not heard of, and names it', async () => {
    web.mute = true;
    await clock.pass(20_000);
    expect(await within(10, mesh.halt(round))).toMatchObject({
      ok: false,
      error: { code: 'node_lost', evidence: { nodes: ['web'] } },
    });
    expect(crm.orders).toEqual([]);
    expect(mesh.presence('web')).toMatchObject({ liveness: 'lost' });
    expect(mesh.presence('crm')).toMatchObject({ liveness: 'live' });
  });

  it.each<[string, (node: FakeNode) => void, string]>([
    ['whose hook fails', (node) => (node.flushFails = 'pg_dump ended with 1'), 'pg_dump ended with 1'],
    ['whose flush hangs', (node) => (node.flushMs = 1e9), 'it has not flushed in time'],
    ['that dies', (node) => (node.dead = true), 'it has not flushed in time'],
  ])('is off with a node %s, and the others go on', async (_, spoil, why) => {
    spoil(web);
    const halted = await within(31_000, mesh.halt(round));
    expect(halted).toMatchObject({
      ok: false,
      error: { code: 'flush_failed', evidence: { nodes: [{ node: 'web', why }] } },
    });
    mesh.keep([]);
    await clock.pass(10);
    expect(crm.state).toBe('running');
  });

  it('says HALT again to a node that lost it, and RESUME too', async () => {
    web.deaf = true;
    const halting = mesh.halt(round);
    await clock.pass(10);
    web.deaf = false;
    expect(await within(5_000, halting)).toMatchObject({ ok: true });
    web.deaf = true;
    const verifying = mesh.verify(EPOCH, false);
    await clock.pass(10);
    web.deaf = false;
    expect(await within(2_900, verifying)).toMatchObject({ ok: true });
  });

  it.each<[string, () => Promise<void>]>([
    [
      'was restarted',
      async () => {
        web.restart();
        await clock.pass(10);
      },
    ],
    [
      'was cut off until its deadline passed',
      async () => {
        web.deaf = true;
        await clock.pass(HALT_MS + 1);
        web.deaf = false;
      },
    ],
    [
      'is silent',
      async () => {
        web.mute = true;
        await clock.pass(10);
      },
    ],
  ])('proves nothing when a node %s between its flush and RESUME', async (_, spoil) => {
    await within(100, mesh.halt(round));
    await spoil();
    expect(await within(3_100, mesh.verify(EPOCH, false))).toMatchObject({
      ok: false,
      error: { code: 'barrier_broken', evidence: { nodes: [{ node: 'web' }] } },
    });
  });

  it('a dead controller is not waited for, and the one after it lets go on whom it finds halted', async () => {
    await within(100, mesh.halt(round));
    web.deaf = true;
    // The carriers of the old one carry nothing any more.
    mesh = meshOver();
    mesh.keep([]);
    await clock.pass(2_100);
    expect([crm.state, web.state]).toEqual(['running', 'halted']);
    web.deaf = false;
    await clock.pass(HALT_MS);
    expect(web.state).toBe('running');
  });

  it('takes up a hold again that was verified before the controller was started', async () => {
    await within(100, mesh.halt(round));
    await within(100, mesh.verify(EPOCH, true));
    mesh = meshOver();
    await clock.pass(2_000);
    mesh.keep([{ epoch: EPOCH, nodes: round.nodes, revive: true }]);
    await clock.pass(HALT_MS * 3);
    expect([crm.state, web.state]).toEqual(['halted', 'halted']);
  });

  it.each<[string, () => void, string]>([
    ['thaws itself', () => web.take({ type: 'thaw', why: 'root said so' }), 'root said so'],
    ['is restarted', () => web.restart(), 'it was restarted'],
    ['dies', () => (web.dead = true), 'it may run: it has acknowledged nothing for too long'],
    ['is not heard any more', () => (web.mute = true), 'it may run: it has acknowledged nothing for too long'],
    ['is not reached any more', () => (web.deaf = true), 'it may run: it has acknowledged nothing for too long'],
  ])('with hold, tells once when a node %s', async (_, spoil, why) => {
    const broke: unknown[] = [];
    mesh.whenBroken((epoch, broken) => broke.push({ epoch, broken }));
    await within(100, mesh.halt(round));
    await within(100, mesh.verify(EPOCH, true));
    mesh.keep([{ epoch: EPOCH, nodes: round.nodes, revive: true }]);
    await clock.pass(HALT_MS * 2);
    expect(broke).toEqual([]);
    spoil();
    // By the time it may run, and the next look at it.
    await clock.pass(HALT_MS + HALT_MS / 3 + 100);
    expect(broke).toEqual([{ epoch: EPOCH, broken: [{ node: 'web', why }] }]);
    await clock.pass(HALT_MS * 3);
    expect(broke.length).toBe(1);
    expect(crm.state).toBe('halted');
    mesh.keep([]);
    await clock.pass(10);
    expect([crm.state, web.dead || web.deaf ? 'running' : web.state]).toEqual(['running', 'running']);
  });

  it.each<[string, () => void, string | undefined]>([
    ['holds on', () => {}, undefined],
    ['thawed itself meanwhile', () => web.take({ type: 'thaw', why: 'root said so' }), 'root said so'],
    ['was restarted meanwhile', () => web.restart(), 'it forgot that it was halted'],
    ['died meanwhile', () => (web.dead = true), 'it did not say in time whether it held'],
  ])('a hold taken up by the next controller, and a node that %s', async (_, spoil, why) => {
    await within(100, mesh.halt(round));
    await within(100, mesh.verify(EPOCH, true));
    await clock.pass(HALT_MS * 2);
    const broke: unknown[] = [];
    mesh = meshOver();
    mesh.whenBroken((_epoch, broken) => broke.push(broken));
    spoil();
    mesh.keep([{ epoch: EPOCH, nodes: round.nodes, revive: true }]);
    await clock.pass(HALT_MS * 3);
    expect(broke).toEqual(why === undefined ? [] : [[{ node: 'web', why }]]);
    expect(crm.state).toBe('halted');
  });

  it('called off while it waits, it answers whoever waits, and lets the nodes go on', async () => {
    web.flushMs = 1e9;
    const halting = mesh.halt(round);
    await clock.pass(100);
    mesh.keep([]);
    expect(await within(10, halting)).toMatchObject({
      ok: false,
      error: { evidence: { nodes: [{ node: 'web', why: 'the barrier was called off' }] } },
    });
    expect([crm.state, web.state]).toEqual(['running', 'running']);
  });

  describe('right after the start', () => {
    beforeEach(() => {
      // Nobody has been heard by this one.
      mesh = meshOver();
      mesh.keep([{ epoch: EPOCH, nodes: round.nodes, revive: false }]);
    });

    it('waits for nodes that have not spoken yet, and halts them when they have', async () => {
      web.mute = true;
      const halting = mesh.halt(round);
      expect(await within(8_000, halting)).toBe('open');
      expect(crm.orders).toEqual([]);
      web.mute = false;
      expect(await within(2_100, halting)).toMatchObject({ ok: true });
    });

    it('not for ever', async () => {
      web.mute = true;
      const halting = mesh.halt(round);
      expect(await within(14_900, halting)).toBe('open');
      expect(await within(200, halting)).toMatchObject({ ok: false, error: { code: 'node_lost' } });
      expect(await within(1, mesh.halt({ ...round, epoch: 8 }))).toMatchObject({ ok: false });
      expect(crm.orders).toEqual([]);
    });

    it('nor for a barrier that nobody wants any more', async () => {
      web.mute = true;
      const halting = mesh.halt(round);
      await clock.pass(3_000);
      mesh.keep([]);
      expect(await within(1, halting)).toMatchObject({ ok: false, error: { code: 'flush_failed' } });
      web.mute = false;
      await clock.pass(20_000);
      expect([crm.orders, web.orders]).toEqual([[], []]);
    });
  });

  it('cannot verify a barrier that another controller held', async () => {
    expect(await within(1, mesh.verify(99, false))).toMatchObject({ ok: false, error: { code: 'barrier_broken' } });
  });

  it('does not listen to a heartbeat that was overtaken', async () => {
    const late = { ...mesh.presence('crm')?.heartbeat } as never;
    await within(100, mesh.halt(round));
    mesh.heard('crm', late, 'other');
    expect(mesh.barriers()).toMatchObject([{ broken: [] }]);
  });
});
