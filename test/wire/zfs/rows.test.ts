import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { encodeProperty } from '../../../src/wire/zfs/property.ts';
import { readRows } from '../../../src/wire/zfs/rows.ts';

// What is quoted here was printed by OpenZFS 2.1.11.
describe('rows of zfs list and zfs get', () => {
  test('are objects, with nothing where nothing is set', () => {
    const text = 'tank/parse/f@p\t  lead trail  \t-\t2441932826136511228\t1795508329\n';
    expect(readRows(text, ['name', 'hauki:intent', 'hauki:none', 'guid', 'creation'])).toEqual([
      {
        name: 'tank/parse/f@p',
        'hauki:intent': '  lead trail  ',
        'hauki:none': undefined,
        guid: '2441932826136511228',
        creation: '1795508329',
      },
    ]);
    const got = 'tank/parse/f@p\thauki:intent\t\tlocal\ntank/parse/f@p\torigin\t-\t-\n';
    expect(readRows(got, ['name', 'property', 'value', 'source'])).toEqual([
      { name: 'tank/parse/f@p', property: 'hauki:intent', value: '', source: 'local' },
      { name: 'tank/parse/f@p', property: 'origin', value: undefined, source: undefined },
    ]);
  });

  test('nothing is no rows, an empty line is one empty field', () => {
    expect(readRows('', ['name'])).toEqual([]);
    expect(readRows('\n-\n', ['hauki:intent'])).toEqual([{ 'hauki:intent': '' }, { 'hauki:intent': undefined }]);
    expect(readRows('-\n', ['name'])).toEqual([{ name: '-' }]);
  });

  test.each([
    [
      'a value with newline and tab',
      'tank/parse/f@p\ttwo\nlines\tand tab \\ back ü\t191\n',
      /"tank\/parse\/f@p\\ttwo"/,
    ],
    ['too many fields', 'tank\ta\tb\tc\n', /"tank\\ta\\tb\\tc"/],
    ['a row that was cut', 'tank\ta\t1\ntank/s\tb', /too early: "tank\/s\\tb"/],
  ])('refuses %s', (_, text, message) => {
    expect(() => readRows(text, ['name', 'hauki:intent', 'createtxg'])).toThrow(TypeError);
    expect(() => readRows(text, ['name', 'hauki:intent', 'createtxg'])).toThrow(message);
  });

  test('any intent survives as hauki stores it', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (intents) => {
        const text = intents.map((intent) => `tank@x\t${encodeProperty(intent)}\n`).join('');
        const rows = readRows(text, ['name', 'hauki:intent']);
        expect(rows.map((row) => row['hauki:intent'])).toEqual(intents.map(encodeProperty));
      }),
    );
  });
});
