import type { AddressInfo } from 'node:net';

import { pino } from 'pino';
import { expect, test } from 'vitest';

import { ok } from '../../../src/base/result.ts';
import { systemClock } from '../../../src/bin/clock.ts';
import { openMcp } from '../../../src/bin/mcp.ts';
import { httpDoor } from '../../../src/doors/http/server.ts';
import { Controller } from '../../../src/engine/controller.ts';
import { Enrolment } from '../../../src/engine/enrolment.ts';
import type { Storage } from '../../../src/ports/storage.ts';
import { httpAgent, type TestAgent } from '../../e2e/agents.ts';
import { Place } from '../../engine/place.ts';
import { until } from '../../until.ts';

/* Sessions at /mcp, with a controller in this process whose storage is none. */

async function doorWithAgent(era: 'legacy' | 'auto') {
  const place = new Place();
  const storage: Storage = {
    ...place.options.storage,
    locate: async (name) => ok({ name, driver: 'memory' as const }),
  };
  const options = { ...place.options, clock: systemClock, storage };
  const engine = await place.start({ clock: systemClock, storage });
  const enrolment = new Enrolment(engine, {
    node: 'host',
    clock: systemClock,
    authority: () => undefined,
    newSecret: () => 's',
    publicKey: 'key',
  });
  const door = await httpDoor({
    controller: new Controller(engine, options, place.mesh),
    enrolment,
    log: pino({ level: 'silent' }),
    token: 'secret',
    ephemeral: false,
    retire: () => false,
    mcp: openMcp(options.log),
  });
  await new Promise<void>((resolve) => door.remote.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(door.remote.address() as AddressInfo).port}`;
  const agent = await httpAgent(url, { authorization: 'Bearer secret' }, era);
  return { place, door, engine, agent };
}

async function over(agent: TestAgent, end: () => Promise<void>): Promise<void> {
  await agent.close().catch(() => undefined);
  await end();
}

test.each(['legacy', 'auto'] as const)(
  'a door that closes gives up what they hold at once (protocol %s)',
  async (era) => {
    const { place, door, engine, agent } = await doorWithAgent(era);
    const { mutation, fence } = await agent.clear('/a');
    expect(await agent.call('commit', { mutation, fence })).toMatchObject({ isError: false });
    const open = await agent.clear('/a');
    await door.close();
    await until(() => place.story(open.mutation).includes('rollback_started'), 'it is undone', 2_000);
    expect(place.story(mutation)).not.toContain('rollback_started');
    await over(agent, () => engine.stop());
  },
  // The first loads all of the protocol.
  20_000,
);
