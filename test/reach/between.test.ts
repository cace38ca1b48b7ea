import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Between } from '../../src/reach/between.ts';
import { markOf } from '../../src/reach/courier.ts';

const RUN = '0123456789abcdef0123456789abcdef';
const READY = `{hauki ${RUN} ready}`;
const END = `{hauki ${RUN} exit 3}`;

/** The bytes in pieces of the sizes given, over and over. */
function passed(text: Buffer, sizes: readonly number[]): { between: Between; bytes: Buffer } {
  const between = new Between(markOf(RUN));
  const out: Buffer[] = [];
  for (let at = 0, turn = 0; at < text.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    out.push(...between.push(text.subarray(at, at + size)));
    at += size;
  }
  return { between, bytes: Buffer.concat(out) };
}

describe('what stands between the words of a courier', () => {
  test('comes through whole, however it is cut, and nothing else does', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom('{', '{hauki ', `{hauki ${RUN}`, `{hauki ${RUN.slice(1)}0 exit 3}`, '}')
        .map((text) => Buffer.from(text)),
    );
    const whole = fc.array(piece, { maxLength: 8 }).map((pieces) => Buffer.concat(pieces));
    const sizes = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(whole, whole, whole, sizes, (before, content, after, cut) => {
        const text = Buffer.concat([before, Buffer.from(READY), content, Buffer.from(END), after]);
        // Chance may write the mark itself, which is drawn anew for each run so that nobody can: then it is the courier's word.
        fc.pre(text.toString('latin1').split(markOf(RUN).toString('latin1')).length === 3);
        const { between, bytes } = passed(text, cut);
        expect(bytes).toEqual(content);
        expect([between.ready, between.report]).toEqual([true, 'exit 3']);
      }),
    );
  });

  test('is given on at once: only the beginning of a word is held back', () => {
    const between = new Between(markOf(RUN));
    expect(between.push(Buffer.from(`hello\n${READY}name? {ha`))).toEqual([Buffer.from('name? ')]);
    expect(between.push(Buffer.from('ha'))).toEqual([Buffer.from('{haha')]);
    expect(between.before).toBe('hello');
  });

  test('remembers the end of what was said before, for whoever asks why nothing is ready', () => {
    const between = new Between(markOf(RUN));
    for (let line = 0; line < 10_000; line += 1) between.push(Buffer.from(`line ${line}\n`));
    expect(between.before).toMatch(/line 9999$/);
    expect(between.before.length).toBeLessThan(5_000);
    expect(between.ready).toBe(false);
  });
});
