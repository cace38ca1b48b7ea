import { generateKeyPairSync } from 'node:crypto';

import { expect, test } from 'vitest';

import { IrcLink } from '../../../src/doors/irc/carrier.ts';
import { Outbox } from '../../../src/doors/irc/outbox.ts';
import type { Heartbeat } from '../../../src/ports/mesh.ts';
import { ControlReader } from '../../../src/wire/irc/control.ts';
import { VirtualClock } from '../../engine/place.ts';

const CHANNEL = '#control';
const keys = generateKeyPairSync('ed25519');
const log = { info: (): void => {}, warn: (): void => {}, error: (): void => {} };

function heartbeat(seq: number): { type: 'heartbeat' } & Heartbeat {
  const pulse = { boot: 'a', state: 'running', epoch: 0, ack: 0 } as const;
  return { type: 'heartbeat', seq, pulse, version: '0', at: 0, uptimeMs: 0, load: 0, memoryBytes: 0, leases: [] };
}

test('a node whose server is slow says how it stands, not how it stood', async () => {
  const clock = new VirtualClock();
  const outbox = new Outbox({ burst: 6, perSecond: 1 }, clock);
  outbox.open();
  const lines: string[] = [];
  const write = (said: readonly string[]): void => void lines.push(...said);
  const link = new IrcLink({
    voice: {
      isIn: () => true,
      sayTogether: (urgency, _, compose, count) => outbox.post(urgency, () => write(compose()), count),
      offer: (_, said) => outbox.offer(() => write(said), said.length),
    },
    channel: CHANNEL,
    name: 'crm',
    key: () => keys.privateKey,
    numbers: { read: () => undefined, write: () => {} },
    controllerKey: () => keys.publicKey,
    onMessage: () => {},
    clock,
    log,
  });
  const reader = new ControlReader({
    channel: CHANNEL,
    keysOf: () => [keys.publicKey],
    wants: () => true,
    startedAt: clock.now(),
  });
  const heard = (): number[] =>
    lines.splice(0).flatMap((line) => {
      const reading = reader.read(line, clock.now());
      if (reading.type !== 'message') return [];
      return [(JSON.parse(reading.message.payload.toString()) as { message: Heartbeat }).message.seq];
    });

  for (let seq = 1; seq <= 40; seq += 1) {
    link.send(heartbeat(seq));
    await clock.pass(10);
  }
  expect(heard().length).toBeLessThanOrEqual(6);
  await clock.pass(3_000);
  expect(heard()).toEqual([40]);
  // Signs of life that would take room are left out; with room they come when it is time for one.
  link.beat(heartbeat(41));
  await clock.pass(10_000);
  link.beat(heartbeat(42));
  link.beat(heartbeat(43));
  expect(heard()).toEqual([42]);
  expect(reader.ignored).toEqual({});
});
