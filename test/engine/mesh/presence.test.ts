import { expect, test } from 'vitest';

import { Presences } from '../../../src/engine/mesh/presence.ts';
import type { Heartbeat } from '../../../src/ports/mesh.ts';

function heartbeat(seq: number, everyMs?: number): Heartbeat {
  const pulse = { boot: 'a', state: 'running', epoch: 0, ack: 0 } as const;
  const about = { version: '0', at: 0, uptimeMs: 0, load: 0, memoryBytes: 0, leases: [] };
  return { seq, pulse, ...about, ...(everyMs === undefined ? {} : { everyMs }) };
}

/** How long a node counts as live, and as not yet lost, ms, after it spoke at 0. */
function patience(everyMs?: number): number[] {
  const presences = new Presences();
  presences.hear('crm', heartbeat(1, everyMs), 'irc', 0, 0);
  const at = (liveness: string): number =>
    Array.from({ length: 400 }, (_, index) => index * 500).findIndex(
      (mono) => presences.of('crm', mono)?.liveness === liveness,
    ) * 500;
  return [at('late'), at('lost')];
}

test('a node is waited for as long as it says, within bounds', () => {
  expect(patience()).toEqual([5_000, 15_000]);
  expect(patience(10_000)).toEqual([25_000, 75_000]);
  expect(patience(0)).toEqual([5_000, 15_000]);
  expect(patience(1e9)).toEqual([50_000, 150_000]);
});

test('a node that speaks rarely has been live all along', () => {
  const presences = new Presences();
  for (let seq = 1; seq <= 5; seq += 1)
    presences.hear('crm', heartbeat(seq, 10_000), 'irc', seq * 10_000, seq * 10_000);
  expect(presences.of('crm', 51_000)).toMatchObject({ liveness: 'live', since: 10_000, heardAt: 50_000 });
});
