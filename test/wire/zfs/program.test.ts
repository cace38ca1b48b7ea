import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { asList, guidText, readProgram } from '../../../src/wire/zfs/program.ts';

// What is quoted here was printed by OpenZFS 2.1.11.
describe('the answer of a channel program', () => {
  test.each<[string, unknown]>([
    [
      '{"return":{"d":true,"c":{"1":1,"2":2,"3":3},"b":"x","a":1,"neg":-5,"e":{}}}',
      { d: true, c: { 1: 1, 2: 2, 3: 3 }, b: 'x', a: 1, neg: -5, e: {} },
    ],
    ['{"return":5}', 5],
    ['{"return":false}', false],
    ['{"return":true}', true],
    ['{}', undefined],
  ])('%s', (stdout, value) => expect(readProgram(stdout)).toEqual(value));

  test.each([
    ['a ü under LC_ALL=C', '{"return":{"b":"after","a":"'],
    ['bytes that are no UTF-8', '{"return":"a'],
    ['without -j', 'Channel program fully executed and produced output:\n    return: 1\n'],
    ['nothing', ''],
    ['no object', '5'],
  ])('is not accepted: %s', (_, stdout) => {
    expect(() => readProgram(stdout)).toThrow(TypeError);
    expect(() => readProgram(stdout)).toThrow(JSON.stringify(stdout));
  });
});

describe('a Lua list', () => {
  test('is in the order of its keys', () => {
    const names = Array.from({ length: 12 }, (_, at) => `tank@${at}`);
    const members = names.map((name, at): [string, string] => [String(at + 1), name]);
    const table = Object.fromEntries(members.toReversed());
    expect(asList(table)).toEqual(names);
    expect(asList({})).toEqual([]);
  });

  test.each([[{ 1: 'a', 3: 'c' }], [{ 0: 'a' }], [{ 1: 'a', x: 'b' }], ['text'], [null], [undefined]])(
    '%j is none',
    (value) => expect(() => asList(value)).toThrow(TypeError),
  );
});

describe('a guid', () => {
  test.each([
    ['8178617731363804462', '8178617731363804462'],
    ['-9223372036854775808', '9223372036854775808'],
    ['-1', '18446744073709551615'],
    ['18446744073709551615', '18446744073709551615'],
    [1139, '1139'],
    ['0', '0'],
  ])('%j is %s', (value, text) => expect(guidText(value)).toBe(text));

  test('of any 64 bits is what zfs get prints, though Lua counts signed', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (guid) => {
        expect(guidText(String(BigInt.asIntN(64, guid)))).toBe(String(guid));
      }),
    );
  });

  // The number is what JSON.parse makes of 8178617731363804462.
  test.each([
    [8_178_617_731_363_804_000],
    ['18446744073709551616'],
    ['-9223372036854775809'],
    [1.5],
    [''],
    ['0x10'],
    [' 1'],
    ['-'],
    [null],
    [{}],
  ])('%j is none', (value) => expect(() => guidText(value)).toThrow(TypeError));
});
