/** A value of a channel program, written down in its language. */
export type LuaValue = string | number | boolean | readonly LuaValue[] | { readonly [key: string]: LuaValue };

/**
 * A value as a Lua literal. Everything but plain printable ASCII is written as its bytes' numbers, so whatever a text holds (quotes,
 * line ends, `]]`, bytes that are no UTF-8 for Lua to trip over) it stays one string.
 */
export function luaLiteral(value: LuaValue): string {
  if (typeof value === 'string') return luaText(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TypeError(`${value} is no integer: channel programs know no others`);
    return String(value);
  }
  if (typeof value === 'boolean') return String(value);
  if (isList(value)) return `{${value.map(luaLiteral).join(',')}}`;
  return `{${Object.entries(value)
    .map(([key, member]) => `[${luaText(key)}]=${luaLiteral(member)}`)
    .join(',')}}`;
}

function isList(value: object): value is readonly LuaValue[] {
  return Array.isArray(value);
}

function luaText(text: string): string {
  let literal = '"';
  for (const byte of Buffer.from(text)) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    literal += plain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, '0')}`;
  }
  return `${literal}"`;
}
