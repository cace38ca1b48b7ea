import fc from 'fast-check';
import { expect, test } from 'vitest';

import { luaLiteral } from '../../../src/storage/zfs/lua.ts';

test('values are written as Lua has them', () => {
  expect(luaLiteral({ name: 'tank/a@b', n: 7, yes: true, list: ['x', 'y'], empty: [] })).toBe(
    '{["name"]="tank/a@b",["n"]=7,["yes"]=true,["list"]={"x","y"},["empty"]={}}',
  );
});

test.each([
  ['a "quote"', '"a \\034quote\\034"'],
  ['back\\slash', '"back\\092slash"'],
  ['two\nlines', '"two\\010lines"'],
  [']] .. os.exit()', '"]] .. os.exit()"'],
  ['🦉', '"\\240\\159\\166\\137"'],
  ['1\u00002', '"1\\0002"'],
])('a text stays one string: %j', (text, literal) => {
  expect(luaLiteral(text)).toBe(literal);
});

test('a number that Lua would not know is refused', () => {
  expect(() => luaLiteral(0.5)).toThrow(TypeError);
  expect(() => luaLiteral(2 ** 60)).toThrow(TypeError);
});

test('whatever a text holds, Lua reads the same bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const literal = luaLiteral(text);
      expect(literal).toMatch(/^"(?:[ !#-[\]-~]|\\\d{3})*"$/);
      const bytes = [...literal.slice(1, -1).matchAll(/\\(\d{3})|(.)/g)].map(([, code, plain = '']) =>
        code === undefined ? plain.charCodeAt(0) : Number(code),
      );
      expect(Buffer.from(bytes)).toEqual(Buffer.from(text));
    }),
  );
});
