import { describe, expect, it } from 'vitest';

import { streamReader } from '../../../src/wire/zfs/stream.ts';

const [BEGIN, OBJECT, FREEOBJECTS, WRITE, END] = [0, 1, 2, 3, 5];

function record(kind: number, payload = 0): Buffer {
  const bytes = Buffer.alloc(312 + payload, kind === BEGIN ? 0 : 0xff);
  bytes.writeUInt32LE(kind, 0);
  bytes.writeUInt32LE(payload, 4);
  if (kind === BEGIN) bytes.writeBigUInt64LE(0x2f5bacbacn, 8);
  // What follows must not be taken for a record.
  bytes.fill(WRITE, 312);
  return bytes;
}

function read(records: readonly Buffer[], chunkBytes = 1_000_000): boolean {
  const reader = streamReader();
  const all = Buffer.concat(records);
  for (let at = 0; at < all.length; at += chunkBytes) reader.push(all.subarray(at, at + chunkBytes));
  return reader.end().sendsNothing;
}

describe('a stream of zfs send', () => {
  const nothing = [record(BEGIN, 400), record(FREEOBJECTS), record(END)];

  it.each([1, 7, 311, 312, 313, 100_000])('sends nothing, read in pieces of %i bytes', (chunkBytes) => {
    expect(read(nothing, chunkBytes)).toBe(true);
  });

  it.each([OBJECT, WRITE, 4, 7, 8, 9, 10])('sends something with a record of kind %i', (kind) => {
    expect(read([record(BEGIN), record(FREEOBJECTS), record(kind, 4096), record(END)], 1000)).toBe(false);
  });

  it('is refused when it is none, or breaks off', () => {
    expect(() => read([record(WRITE)])).toThrow('not a stream');
    expect(() => read([])).toThrow('too early');
    expect(() => read([record(BEGIN), record(END).subarray(0, 100)])).toThrow('too early');
  });
});
