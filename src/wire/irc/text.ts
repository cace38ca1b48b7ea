/** Text that fits into lines of a bounded number of bytes, as UTF-8. Never cuts a character in two. */

const MORE = '…';

export function bytesOf(text: string): number {
  return Buffer.byteLength(text);
}

/** The text, or as much of its beginning as fits, with `…` after it. */
export function bounded(text: string, bytesMax: number): string {
  if (bytesOf(text) <= bytesMax) return text;
  return `${fitting(text, bytesMax - bytesOf(MORE))}${MORE}`;
}

/**
 * The text in pieces of at most `bytesMax` bytes: cut at a space where there is one in the later half, else between two characters.
 * Nothing is lost but the spaces at the cuts.
 */
export function split(text: string, bytesMax: number): string[] {
  const pieces: string[] = [];
  let rest = text;
  while (bytesOf(rest) > bytesMax) {
    const most = fitting(rest, bytesMax);
    const space = most.lastIndexOf(' ');
    const piece = space > most.length / 2 ? most.slice(0, space) : most;
    pieces.push(piece);
    rest = rest.slice(piece.length).trimStart();
  }
  if (rest !== '' || pieces.length === 0) pieces.push(rest);
  return pieces;
}

/** The longest beginning that fits, by whole code points. */
function fitting(text: string, bytesMax: number): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += bytesOf(character);
    if (bytes > bytesMax) break;
    end += character.length;
  }
  return text.slice(0, end);
}
