import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Entry } from '../../../src/storage/tree/entry.ts';
import { ManifestParser, parseManifest, serializeManifest } from '../../../src/storage/tree/manifest.ts';

/** Any bytes but NUL, as latin1. */
const bytes = fc
  .uint8Array({ maxLength: 30 })
  .map((array) => Buffer.from(array.filter((byte) => byte !== 0)).toString('latin1'));
const number = fc.nat().map(String);
const time = fc
  .tuple(fc.integer(), fc.nat({ max: 999_999_999 }))
  .map(([seconds, ns]) => `${seconds}.${String(ns).padStart(9, '0')}0`);

const entry: fc.Arbitrary<Entry> = fc
  .record({
    path: bytes,
    type: fc.constantFrom<Entry['type']>('f', 'd', 'l', 'p', 's', 'c', 'b'),
    dev: number,
    ino: number,
    nlink: fc.nat(),
    mode: fc.nat({ max: 0o7777 }),
    uid: fc.nat(),
    gid: fc.nat(),
    size: fc.nat(),
    blocks: fc.nat(),
    mtime: time,
    ctime: time,
    target: bytes,
    xattrs: fc.option(fc.constantFrom('', '757365722e61=00ff', '757365722e61=,757365722e62=61'), { nil: undefined }),
    boundary: fc.boolean(),
  })
  .map(({ xattrs, boundary, ...rest }) => ({
    ...rest,
    ...(xattrs === undefined ? {} : { xattrs }),
    ...(boundary ? { boundary: true } : {}),
  }));

describe('a manifest', () => {
  test('is read as it was written, cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 20 }), fc.array(fc.nat({ max: 4000 })), async (entries, cuts) => {
        const written = await serializeManifest(entries);
        const parser = new ManifestParser();
        let from = 0;
        for (const cut of [...cuts.toSorted((a, b) => a - b), written.length]) {
          parser.push(written.subarray(from, cut));
          from = Math.max(from, cut);
        }
        expect(parser.end()).toEqual(entries);
        expect(await parseManifest(written)).toEqual(entries);
      }),
    );
  });

  test('that breaks off is refused', async () => {
    const written = await serializeManifest([fc.sample(entry, 1)[0] as Entry]);
    await expect(parseManifest(written.subarray(0, -1))).rejects.toThrow('breaks off');
  });

  test('with a file type nobody knows is refused', async () => {
    const written = await serializeManifest([{ ...(fc.sample(entry, 1)[0] as Entry), type: 'D' as 'd' }]);
    await expect(parseManifest(Buffer.concat([Buffer.from('?'), written.subarray(1)]))).rejects.toThrow('no file type');
  });
});
