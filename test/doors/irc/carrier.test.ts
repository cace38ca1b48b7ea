import { generateKeyPairSync } from 'node:crypto';

import { expect, test } from 'vitest';

import { IrcLink } from '../../../src/doors/irc/carrier.ts';
import { ControlReader } from '../../../src/wire/irc/control.ts';
import { VirtualClock } from '../../engine/place.ts';

const log = { info: () => {}, warn: () => {}, error: () => {} };

test('of heartbeats that come faster than lines go out, the newest is said and none waits', async () => {
  const clock = new VirtualClock();
  const keys = generateKeyPairSync('ed25519');
  const said: string[] = [];
  const link = new IrcLink({
    // A server that takes one line a second.
    voice: {
      isIn: () => true,
      say: (_urgency, _target, line) =>
        new Promise((resolve) => {
          clock.after(1_000 * (said.length + 1) - clock.mono(), () => resolve(true));
          said.push(line);
        }),
    },
    channel: '#control',
    name: 'crm',
    key: keys.privateKey,
    controller: { name: 'host', publicKey: keys.publicKey },
    onMessage: () => {},
    clock,
    log,
  });
  const pulse = { boot: 'b', state: 'running', epoch: 0, ack: 0 } as const;
  const about = { version: '0.1.0', at: 0, uptimeMs: 0, load: 0, memoryBytes: 0, leases: [] };
  for (let seq = 1; seq <= 40; seq += 1) {
    link.send({ type: 'heartbeat', seq, pulse, ...about });
    await clock.pass(100);
  }
  await clock.pass(20_000);
  const reader = new ControlReader({
    channel: '#control',
    keysOf: () => [keys.publicKey],
    wants: () => true,
    startedAt: 0,
  });
  const seqs = said.flatMap((line) => {
    const reading = reader.read(line, clock.now());
    if (reading.type !== 'message') return [];
    const { message } = JSON.parse(reading.message.payload.toString()) as { message: { seq: number } };
    return [message.seq];
  });
  expect(seqs[0]).toBe(1);
  expect(seqs.at(-1)).toBe(40);
  expect(seqs.length).toBeLessThan(6);
});
