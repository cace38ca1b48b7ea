import { generateKeyPairSync, type KeyObject } from 'node:crypto';

import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';

import { controlLines, ControlReader, nextNumber, PARTS_MAX, type Reading } from '../../../src/wire/irc/control.ts';
import { bytesOf } from '../../../src/wire/irc/text.ts';
import { wildText } from './wild.ts';

const NOW = 1_764_000_000_000;
const CHANNEL = '#control';
const crm = generateKeyPairSync('ed25519');
const billing = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const keys: Readonly<Record<string, KeyObject>> = { crm: crm.publicKey, billing: billing.publicKey };

let reader: ControlReader;
beforeEach(() => {
  reader = new ControlReader({
    channel: CHANNEL,
    keysOf: (sender) => (keys[sender] === undefined ? [] : [keys[sender]]),
    wants: (kind) => kind === 'heartbeat',
    startedAt: NOW - 1_000_000,
  });
});

interface Said {
  readonly kind?: string;
  readonly sender?: string;
  readonly number?: number;
  readonly payload?: string | Buffer;
  readonly channel?: string;
  readonly key?: KeyObject;
}

function lines({ kind = 'heartbeat', sender = 'crm', number = NOW, payload = 'hello', ...more }: Said = {}): string[] {
  const { channel = CHANNEL, key = crm.privateKey } = more;
  return controlLines({ kind, sender, number, payload: Buffer.from(payload) }, channel, key);
}

function read(said: readonly string[], now = NOW): Reading | undefined {
  return said.map((line) => reader.read(line, now)).at(-1);
}

function payloadOf(reading: Reading | undefined): string | undefined {
  return reading?.type === 'message' ? reading.message.payload.toString() : undefined;
}

describe('a signed line', () => {
  test('comes through, once', () => {
    expect(payloadOf(read(lines()))).toBe('hello');
    expect(read(lines())).toMatchObject({ type: 'ignored', why: 'replayed' });
    expect(reader.ignored).toEqual({ replayed: 1 });
  });

  test('comes through from either kind of key', () => {
    expect(payloadOf(read(lines({ sender: 'billing', key: billing.privateKey })))).toBe('hello');
  });

  test('does not care how the channel is written', () => {
    expect(payloadOf(read(lines({ channel: '#CONTROL' })))).toBe('hello');
  });

  test.each([
    ['by another key', { key: billing.privateKey }, 'forged'],
    ["by a known node's key under another's name", { sender: 'billing' }, 'forged'],
    ['for another channel', { channel: '#other' }, 'forged'],
    ['by nobody known', { sender: 'stranger' }, 'unknown_sender'],
    ['of another kind', { kind: 'halt' }, 'not_for_us'],
    ['long after it was said', { number: NOW - 121_000 }, 'old'],
    ['from the future', { number: NOW + 121_000 }, 'early'],
  ] as const)('%s is ignored and counted', (_what, said, why) => {
    expect(read(lines(said))).toMatchObject({ type: 'ignored', why });
    expect(reader.ignored).toEqual({ [why]: 1 });
  });

  test('from before the reader started is old: what was done about it, nobody knows here', () => {
    const fresh = new ControlReader({
      channel: CHANNEL,
      keysOf: () => [crm.publicKey],
      wants: () => true,
      startedAt: NOW,
    });
    expect(fresh.read(lines({ number: NOW - 1 })[0] ?? '', NOW)).toMatchObject({ why: 'old' });
    expect(fresh.read(lines()[0] ?? '', NOW)).toMatchObject({ type: 'message' });
  });

  test('that is overtaken by a newer one counts no more', () => {
    read(lines({ number: NOW + 5 }));
    expect(read(lines({ number: NOW + 4 }))).toMatchObject({ why: 'replayed' });
    expect(payloadOf(read(lines({ sender: 'billing', key: billing.privateKey, number: NOW })))).toBe('hello');
  });

  test('changed in any one character is not taken for what it was', () => {
    const [line = ''] = lines();
    for (let at = 'HAUKI1 '.length; at < line.length; at += 1) {
      const other = line[at] === 'x' ? 'y' : 'x';
      const reading = reader.read(line.slice(0, at) + other + line.slice(at + 1), NOW);
      expect(reading.type, `${at}`).toBe('ignored');
    }
    expect(payloadOf(read(lines()))).toBe('hello');
  });

  test('talk is no control line, and junk is counted', () => {
    expect(reader.read('hello everybody', NOW)).toEqual({ type: 'talk' });
    for (const junk of [
      'HAUKI1 ',
      'HAUKI1 x',
      `HAUKI1 ${'a '.repeat(300)}`,
      (lines()[0] ?? '').slice(0, -3),
      `${lines()[0]} more`,
    ])
      expect(reader.read(junk, NOW)).toMatchObject({ type: 'ignored', why: 'malformed' });
    fc.assert(fc.property(wildText(100), (text) => reader.read(`HAUKI1 ${text}`, NOW).type === 'ignored'));
  });
});

describe('a payload too long for one line', () => {
  const payload = 'äöü🦩'.repeat(100);

  test('comes in lines that fit, and is put together again', () => {
    const said = lines({ payload });
    expect(said.length).toBeGreaterThan(3);
    expect(said.every((line) => bytesOf(line) <= 400)).toBe(true);
    expect(payloadOf(read(said))).toBe(payload);
  });

  test('in any order; each part once', () => {
    const said = lines({ payload });
    expect(read(said.slice(1))).toEqual({ type: 'part' });
    expect(read(said.slice(1, 2))).toMatchObject({ why: 'replayed' });
    expect(payloadOf(read(said.slice(0, 1)))).toBe(payload);
  });

  test('is given up when its parts take too long, or a newer message comes', () => {
    const said = lines({ payload });
    read(said.slice(0, -1), NOW);
    expect(read(said.slice(-1), NOW + 31_000)).toEqual({ type: 'part' });
    expect(payloadOf(read(lines({ number: NOW + 1 })))).toBe('hello');
    expect(reader.ignored).toEqual({ incomplete: 2 });
  });

  test('cannot be filled by anybody else', () => {
    const said = lines({ payload });
    const foreign = lines({ payload, key: billing.privateKey });
    read(said.slice(0, -1));
    expect(read(foreign.slice(-1))).toMatchObject({ why: 'forged' });
    expect(payloadOf(read(said.slice(-1)))).toBe(payload);
  });

  test('has an end', () => {
    expect(() => lines({ payload: Buffer.alloc(100_000) })).toThrow(RangeError);
    const most = lines({ payload: Buffer.alloc(3_000) });
    expect(most.length).toBeLessThanOrEqual(PARTS_MAX);
  });
});

test('numbers only grow, over a restart and a clock that is set back', () => {
  expect(nextNumber(0, NOW)).toBe(NOW);
  expect(nextNumber(NOW, NOW)).toBe(NOW + 1);
  expect(nextNumber(NOW + 50, NOW - 5_000)).toBe(NOW + 51);
  // Of a clock that was years ahead nothing is left when it is right again: nobody would take what followed.
  expect(nextNumber(NOW + 1e10, NOW)).toBe(NOW);
});
