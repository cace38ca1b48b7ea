import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Order } from '../../src/core/barrier/message.ts';
import { type MessageToController, readToController, readToNode, writeMessage } from '../../src/wire/link.ts';

const heartbeat: MessageToController = {
  type: 'heartbeat',
  seq: 3,
  pulse: { boot: 'b1', state: 'halted', epoch: 7, ack: 2, flushMs: 12 },
  version: '0.1.0',
  at: 1_781_627_096_000,
  uptimeMs: 5_000,
  load: 0.25,
  memoryBytes: 50_000_000,
  leases: [{ mutation: 'm1', fence: 6 }],
};

describe('messages on the link', () => {
  it('come out as they went in', () => {
    const halt: Order = { type: 'halt', epoch: 7, order: 1, forMs: 10_000, intent: 'bump\n"the" schema ☃' };
    expect(readToNode(writeMessage(halt))).toEqual({ ok: true, value: halt });
    expect(readToController(writeMessage(heartbeat))).toEqual({ ok: true, value: heartbeat });
  });

  it('may say more than this version knows', () => {
    const said = JSON.stringify({ ...heartbeat, mood: 'good' });
    expect(readToController(said)).toEqual({ ok: true, value: heartbeat });
  });

  it.each([
    ['no JSON', '{', 'no JSON'],
    ['an unknown type', '{"type":"sing"}', 'type'],
    ['a message of the other direction', '{"type":"resume","epoch":1,"order":1}', 'type'],
    ['a number that is text', JSON.stringify({ ...heartbeat, seq: '3' }), 'seq'],
    [
      'an epoch below nothing',
      JSON.stringify({ ...heartbeat, pulse: { ...heartbeat.pulse, epoch: -1 } }),
      'pulse.epoch',
    ],
  ])('refuse %s, and name the place', (_, text, place) => {
    const read = readToController(text);
    expect(read).toMatchObject({ ok: false, error: { code: 'body_invalid' } });
    expect(read.ok ? '' : read.error.message).toContain(place);
  });

  it('never throw, whatever comes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(readToController(text).ok).toBe(false);
        expect(readToNode(text).ok).toBe(false);
      }),
    );
  });
});
