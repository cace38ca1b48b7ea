import { PassThrough } from 'node:stream';

import { expect, test } from 'vitest';

import { refusal } from '../../../src/base/refusal.ts';
import { err, ok } from '../../../src/base/result.ts';
import type { Step } from '../../../src/bin/gem/plan.ts';
import { runBlock } from '../../../src/bin/gem/run.ts';
import type { Client } from '../../../src/client/client.ts';
import type { Reach } from '../../../src/ports/reach.ts';
import { World } from '../../node/lease-world.ts';

/* What the controller sees nothing of: processes on another host. */

type Ran = Awaited<ReturnType<Reach['run']>>;

test.each([
  ['failed', ok({ code: 1, signal: undefined }), 'rolled_back'],
  ['took too long', err(refusal('command_stopped', 'Its time is up.')), 'rolled_back'],
  ['lost its connection', err(refusal('command_lost', 'It broke.')), 'rolled_back'],
  ['worked', ok({ code: 0, signal: undefined }), 'committed'],
])('what a block that %s left behind there', async (_, ran, state) => {
  const world = new World();
  const done: string[] = [];
  const show = async () => ({ stage: 'cleared', fence: 7 });
  const rollback = async () => {
    done.push('rollback');
    return { mutation: 'm', stage: 'rolled_back', evidence: [] };
  };
  const client = Object.assign(Object.create(world.options.client) as Client, { show, rollback, address: {} });
  const reach = {
    run: async () => ran as Ran,
    stop: async () => {
      done.push('stop');
      return ok({ stopped: 1 });
    },
  } as unknown as Reach;
  const block = { interpreter: 'sh', script: 'true', mode: undefined, verify: undefined, timeoutMs: undefined };
  const step = { block, node: 'crm', datasets: ['/x'], intent: 'x', reach } as unknown as Step;
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const { clock } = world.options;
  const { signal } = new AbortController();
  const end = await runBlock(step, { client, clock, signal, stdout, stderr, onCleared: () => undefined });
  expect(end.state).toBe(state);
  // Ended before its state is put back under it; what worked may have started a service.
  expect(done).toEqual(state === 'committed' ? [] : ['stop', 'rollback']);
});
