import { beforeEach, describe, expect, it } from 'vitest';

import { Controller } from '../../../src/engine/controller.ts';
import { Mesh } from '../../../src/engine/mesh/mesh.ts';
import { renewByHeartbeat } from '../../../src/engine/mesh/renewing.ts';
import type { LeaseWord } from '../../../src/ports/mesh.ts';
import { Place } from '../place.ts';

const TTL_MS = 60_000;
let place: Place;
let mesh: Mesh;
let controller: Controller;
let held: { mutation: string; fence: number };
let seq = 0;
let told: (LeaseWord & { node: string })[];

beforeEach(async () => {
  place = new Place();
  const engine = await place.start();
  mesh = new Mesh({ clock: place.clock });
  told = [];
  mesh.addCarrier({
    name: 'link',
    reaches: () => true,
    send: () => {},
    tell: (node, word) => told.push({ node, ...word }),
  });
  controller = new Controller(engine, place.options, mesh);
  renewByHeartbeat(mesh, controller, place.clock);
  const asked = controller.engine.submit(
    {
      type: 'request',
      mutation: 'm1',
      request: {
        node: 'crm',
        intent: 'why',
        datasets: [{ name: '/srv/crm', driver: 'memory' }],
        mode: 'standard',
        ttlMs: TTL_MS,
        waitMs: 0,
        onExpiry: 'rollback',
        attached: false,
      },
    },
    ({ stage }) => stage === 'cleared',
  );
  await place.clock.pass(10);
  const cleared = await asked;
  if (!cleared.ok || cleared.value?.fence === undefined) throw new Error('it was not cleared');
  held = { mutation: 'm1', fence: cleared.value.fence };
});

function beat(node: string, leases: readonly { mutation: string; fence: number }[]): void {
  const pulse = { boot: node, state: 'running', epoch: 0, ack: 0 } as const;
  const rest = { version: 'test', at: 0, uptimeMs: 0, load: 0, memoryBytes: 0 };
  mesh.heard(node, { seq: (seq += 1), pulse, leases, ...rest }, 'link');
}

async function beating(node: string, forMs: number, leases = [held]): Promise<void> {
  for (let goneMs = 0; goneMs < forMs; goneMs += 2_000) {
    beat(node, leases);
    await place.clock.pass(2_000);
  }
}

function renewals(): number {
  return place.story('m1').filter((type) => type === 'renewed').length;
}

describe('leases on heartbeats', () => {
  it('are renewed when a third of them has gone, and not with each heartbeat', async () => {
    await beating('crm', TTL_MS * 10);
    expect(controller.engine.state.mutations.get('m1')?.stage).toBe('cleared');
    // Every 20 s, of 300 heartbeats.
    expect(renewals()).toBeGreaterThanOrEqual(25);
    expect(renewals()).toBeLessThanOrEqual(30);
  });

  it('run out when the node vanishes, and the change is undone after the grace', async () => {
    await beating('crm', TTL_MS);
    await place.clock.pass(TTL_MS / 2);
    expect(controller.engine.state.mutations.get('m1')?.stage).toBe('cleared');
    await place.clock.pass(TTL_MS / 2 + 10_000);
    expect(place.story('m1')).toContain('rollback_started');
    beat('crm', [held]);
    await place.clock.pass(10);
    expect(place.story('m1').at(-1)).toBe('rolled_back');
    expect(told.at(-1)).toMatchObject({ type: 'lease_lost', mutation: 'm1', fence: held.fence });
  });

  it('are answered with how long they last, which is never more than the controller will wait', async () => {
    for (let beats = 0; beats < 100; beats += 1) {
      beat('crm', [held]);
      await place.clock.pass(10);
      const word = told.at(-1);
      const { expiresMono = 0 } = controller.engine.state.mutations.get('m1') ?? {};
      if (word?.type !== 'renewed') throw new Error('it was not answered');
      expect(word).toMatchObject({ node: 'crm', mutation: 'm1', fence: held.fence, seq });
      expect(word.lastsMs).toBeGreaterThan(TTL_MS / 2);
      expect(word.lastsMs).toBeLessThanOrEqual(expiresMono - place.clock.mono() + 10);
      await place.clock.pass(1_990);
    }
  });

  it('that cannot be put on record are not answered, for they may still be held', async () => {
    await beating('crm', TTL_MS / 2);
    place.full = true;
    const before = told.length;
    await beating('crm', TTL_MS / 2);
    expect(told.slice(before).filter(({ type }) => type === 'lease_lost')).toEqual([]);
  });

  it.each([
    ['of another node', 'web', () => [held]],
    ['with another token', 'crm', () => [{ ...held, fence: held.fence + 1 }]],
    ['of no mutation', 'crm', () => [{ mutation: 'm9', fence: held.fence }]],
  ])('%s are not', async (_, node, leases) => {
    await beating(node, TTL_MS + 10_000, leases());
    expect(renewals()).toBe(0);
    // Whoever names what is not his is told each time.
    expect(told.length).toBe((TTL_MS + 10_000) / 2_000);
    expect(told[0]).toMatchObject({ node, type: 'lease_lost', mutation: leases()[0]?.mutation });
    expect(place.story('m1')).toContain('rollback_started');
  });

  it('of a thousand heartbeats at once cost what one costs', async () => {
    await place.clock.pass(TTL_MS / 2);
    for (let times = 0; times < 1_000; times += 1) beat('crm', [held]);
    await place.clock.pass(10);
    expect(renewals()).toBe(1);
  });
});
