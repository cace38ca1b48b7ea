import { beforeEach, expect, test } from 'vitest';

import type { Engine } from '../../../src/engine/engine.ts';
import { decided, Place, request } from '../place.ts';
import { carrierTo, FakeNode } from './nodes.ts';

let place: Place;
let engine: Engine;
let crm: FakeNode;
let web: FakeNode;

beforeEach(async () => {
  place = new Place();
  const nodes = new Map<string, FakeNode>();
  place.mesh.addCarrier(carrierTo(nodes, place.clock));
  engine = await place.start();
  for (const node of ['crm', 'web']) {
    const expiresAt = place.clock.now() + 86_400_000;
    void engine.submit({ type: 'invite', node, digest: node, expiresAt, policy: {} });
    void engine.submit({ type: 'join', node, digest: node, fingerprint: node, publicKey: node, expiresAt });
    nodes.set(node, new FakeNode(node, place.clock, () => place.mesh));
  }
  [crm, web] = [...nodes.values()] as [FakeNode, FakeNode];
  await place.clock.pass(10);
});

const critical = { mode: 'critical', flushMs: 5_000 } as const;

test('all halt, the snapshot is taken while they do, and all go on', async () => {
  const states: string[] = [];
  place.before = ({ name }) => {
    if (name === 'snapshot') states.push(crm.state, web.state);
  };
  const asked = engine.submit(request(['/a'], critical), decided);
  await place.clock.pass(200);
  expect((await asked).ok && (await engine.find('m1'))?.stage).toBe('cleared');
  expect(states).toEqual(['halted', 'halted']);
  expect([crm.state, web.state]).toEqual(['running', 'running']);
  expect(place.story('m1')).toEqual([
    'requested',
    'halt_started',
    'flushed',
    'snapshot_started',
    'master_taken',
    'cleared',
  ]);
});

test('with hold they stay halted until the commit, however long that takes', async () => {
  void engine.submit(request(['/a'], { ...critical, hold: true, ttlMs: 600_000 }), decided);
  await place.clock.pass(60_000);
  expect((await engine.find('m1'))?.stage).toBe('cleared');
  expect([crm.state, web.state]).toEqual(['halted', 'halted']);
  void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
  await place.clock.pass(10);
  expect([crm.state, web.state]).toEqual(['running', 'running']);
});

test.each([
  ['rollback', 'rolled_back'],
  ['quarantine', 'quarantined'],
] as const)('a hold that breaks is on record, and ends by %s', async (onExpiry, stage) => {
  void engine.submit(request(['/a'], { ...critical, hold: true, onExpiry }), decided);
  await place.clock.pass(1_000);
  expect((await engine.find('m1'))?.stage).toBe('cleared');
  web.take({ type: 'thaw', why: 'root said so' });
  await place.clock.pass(100);
  const nodes = [{ node: 'web', why: 'root said so' }];
  expect(await engine.find('m1')).toMatchObject({ stage, reason: { code: 'barrier_broken', evidence: { nodes } } });
  // Whoever held it does not go on.
  expect(place.calls.map(({ name }) => name)).toContain('stop');
  expect([crm.state, web.state]).toEqual(['running', 'running']);
});

test('a node that ran before the snapshot was taken: denied, and nothing is left of it', async () => {
  place.before = async ({ name }) => {
    if (name !== 'snapshot') return;
    web.take({ type: 'thaw', why: 'root said so' });
    await new Promise<void>((resolve) => void place.clock.after(100, resolve));
  };
  void engine.submit(request(['/a'], critical), decided);
  await place.clock.pass(1_000);
  expect(await engine.find('m1')).toMatchObject({ stage: 'denied', reason: { code: 'barrier_broken' } });
  expect(place.calls.map(({ name }) => name)).toContain('discard');
  expect([crm.state, web.state]).toEqual(['running', 'running']);
});

test('an operator who takes it back while it waits for a flush sets everybody free', async () => {
  web.flushMs = 1e9;
  void engine.submit(request(['/a'], critical), decided);
  await place.clock.pass(100);
  expect((await engine.find('m1'))?.stage).toBe('halting');
  void engine.submit({ type: 'rollback', mutation: 'm1' });
  await place.clock.pass(100);
  expect((await engine.find('m1'))?.stage).toBe('cancelled');
  expect([crm.state, web.state]).toEqual(['running', 'running']);
});
