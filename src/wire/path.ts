/**
 * A path as people and JSON see it: UTF-8 text, a backslash as `\\`, a byte that is no UTF-8 as `\xNN`. The root is `.`.
 *
 * @param path bytes in a latin1 string, relative to the dataset's root; the root itself is ''
 */
export function textOf(path: string): string {
  if (path === '') return '.';
  // Nearly every path is plain ASCII.
  if (!/[^\x20-\x5b\x5d-\x7e]/.test(path)) return path;
  const bytes = Buffer.from(path, 'latin1');
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      text += `\\x${byteAt(bytes, at).toString(16).padStart(2, '0')}`;
      at += 1;
    } else {
      const character = bytes.toString('utf8', at, at + length);
      text += character === '\\' ? '\\\\' : character;
      at += length;
    }
  }
  return text;
}

/** Bytes of the UTF-8 character that begins here; 0 when none does. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = byteAt(bytes, at);
  const length =
    first < 0x80
      ? 1
      : first >= 0xc2 && first < 0xe0
        ? 2
        : first >= 0xe0 && first < 0xf0
          ? 3
          : first >= 0xf0 && first < 0xf5
            ? 4
            : 0;
  if (length <= 1) return length;
  // The decoder knows the rest of the rules (overlong forms, surrogates): what it cannot read comes out as U+FFFD.
  const character = bytes.toString('utf8', at, at + length);
  return Buffer.byteLength(character) === length &&
    (character !== '\ufffd' || bytes.toString('hex', at, at + 3) === 'efbfbd')
    ? length
    : 0;
}

function byteAt(bytes: Buffer, at: number): number {
  return bytes[at] ?? 0;
}
