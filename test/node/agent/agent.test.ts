import { describe, expect, test } from 'vitest';

import type { Client } from '../../../src/client/client.ts';
import { Agent, type AgentOptions } from '../../../src/node/agent/agent.ts';
import type { MutationAsk } from '../../../src/wire/http.ts';
import { ASK, CLEARED, refused, settle, TTL_MS, World } from '../lease-world.ts';

/* What an agent holds, and when it lets go of it. */

const NEVER = new AbortController().signal;

/** The world's client, which shows every clearance as standing; and more. */
function clientOf({ options }: World, more: object = {}): Client {
  const show = async (): Promise<object> => ({ stage: 'cleared', fence: CLEARED.fence });
  return Object.assign(Object.create(options.client) as Client, { show, ...more });
}

function agentIn(world: World, more: Partial<AgentOptions> = {}): Agent {
  return new Agent({ ...world.options, client: clientOf(world), ...more });
}

async function holding(more: Partial<AgentOptions> = {}): Promise<{ world: World; agent: Agent }> {
  const world = new World();
  const agent = agentIn(world, more);
  await agent.during(() => agent.clear(ASK, NEVER));
  return { world, agent };
}

const closed = (world: World): boolean[] => world.wires.map((wire) => wire.closed);
const { mutation, fence } = CLEARED;

describe('silence', () => {
  test('of a ttl lets go, is told once, and is why a commit is refused', async () => {
    const { world, agent } = await holding();
    await world.pass(TTL_MS - 1);
    expect(closed(world)).toEqual([false]);
    await world.pass(1);
    expect(closed(world)).toEqual([true]);
    expect(agent.busy).toBe(false);
    expect(agent.news()).toEqual([expect.stringContaining('No call came for 1 min')]);
    expect(agent.news()).toEqual([]);
    await expect(agent.commit(mutation, fence)).rejects.toMatchObject({ code: 'lease_expired' });
    expect(world.count('commit')).toBe(0);
  });

  test('begins anew with the end of each call, and is not counted during one', async () => {
    const { world, agent } = await holding();
    let end = (): void => undefined;
    const long = agent.during(() => new Promise<void>((resolve) => (end = resolve)));
    await world.pass(10 * TTL_MS);
    await agent.during(async () => undefined);
    await world.pass(10 * TTL_MS);
    expect(closed(world)).toEqual([false]);
    end();
    await long;
    await world.pass(TTL_MS - 1);
    expect(closed(world)).toEqual([false]);
    await world.pass(1);
    expect(closed(world)).toEqual([true]);
  });

  test('where many speak as one, is broken only by calls about the clearance', async () => {
    const { world, agent } = await holding({ shared: true });
    await world.pass(TTL_MS / 2);
    await agent.during(async () => undefined, mutation);
    await world.pass(TTL_MS / 2);
    await agent.during(async () => undefined);
    await agent.during(async () => undefined, 'another');
    expect(closed(world)).toEqual([false]);
    await world.pass(TTL_MS / 2);
    expect(closed(world)).toEqual([true]);
    expect(agent.news()).toEqual([]);
    await expect(agent.commit(mutation, fence)).rejects.toMatchObject({ code: 'lease_expired' });
  });

  test('is over with the clearance', async () => {
    const { world, agent } = await holding();
    expect(await agent.commit(mutation, fence)).toMatchObject({ stage: 'committed' });
    await world.pass(2 * TTL_MS);
    expect(agent.news()).toEqual([]);
    await expect(agent.commit(mutation, fence)).rejects.toMatchObject({ code: 'lease_lost' });
    expect(world.count('commit')).toBe(1);
  });
});

describe('a clearance', () => {
  test('that the controller takes back is told of', async () => {
    const { world, agent } = await holding();
    world.wires[0]?.revoke('barrier_broken');
    await settle();
    expect(agent.news()).toEqual([expect.stringContaining('barrier_broken')]);
    expect(agent.busy).toBe(false);
  });

  test('ends with the agent', async () => {
    const { world, agent } = await holding();
    await agent.end();
    expect(closed(world)).toEqual([true]);
    await expect(agent.clear(ASK, NEVER)).rejects.toMatchObject({ code: 'cancelled' });
    expect(world.count('request')).toBe(1);
  });

  test('that came when nobody waited for it any more is let go at once', async () => {
    const world = new World();
    const call = new AbortController();
    const agent = agentIn(world);
    world.plan.request.push(() => {
      call.abort(new Error('given up'));
      return world.wire();
    });
    await expect(agent.clear(ASK, call.signal)).rejects.toThrow('given up');
    expect(closed(world)).toEqual([true]);
    expect(agent.busy).toBe(false);
  });

  test('outlives the signal of the call it came by', async () => {
    const world = new World();
    const call = new AbortController();
    const signals: (AbortSignal | undefined)[] = [];
    const agent = agentIn(world, {
      client: clientOf(world, {
        requestAttached: async (_ask: MutationAsk, signal?: AbortSignal) => {
          signals.push(signal);
          return world.wire();
        },
      }),
    });
    await agent.clear(ASK, call.signal);
    call.abort();
    expect(signals.map((signal) => signal?.aborted)).toEqual([false]);
  });

  test('with another token is the controller’s to refuse, and stays', async () => {
    const { world, agent } = await holding();
    world.plan.commit.push(() => refused('fence_stale'));
    await expect(agent.commit(mutation, fence - 1)).rejects.toMatchObject({ code: 'fence_stale' });
    expect(agent.busy).toBe(true);
    expect(await agent.rollback(mutation, fence)).toMatchObject({ stage: 'rolled_back' });
  });

  test('of what it holds already is refused without asking, and where many speak as one it is asked for', async () => {
    const { world, agent } = await holding();
    await expect(agent.clear({ ...ASK, datasets: ['/x/in'] }, NEVER)).rejects.toMatchObject({
      refusal: { code: 'dataset_busy', evidence: { mutation, fence } },
    });
    await expect(agent.clear({ ...ASK, datasets: ['/other'] }, NEVER)).resolves.toMatchObject({ mutation });
    expect(world.count('request')).toBe(2);
    const { world: many, agent: shared } = await holding({ shared: true });
    await shared.clear(ASK, NEVER);
    expect(many.count('request')).toBe(2);
  });
});

test('without a place for them no commands are run', async () => {
  const world = new World();
  const agent = agentIn(world);
  expect(agent.runs).toBe(false);
  await expect(agent.run(ASK, { argv: ['true'], timeoutMs: 1 }, NEVER)).rejects.toMatchObject({ code: 'forbidden' });
  expect(world.calls).toEqual([]);
});
