/** How much room text takes on a terminal. */

// oxlint-disable-next-line no-control-regex -- they are what it is about
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g;
/** An escape, or one character. */
const PIECES = new RegExp(`${ESCAPES.source}|[^]`, 'gu');
/** Takes no column: combining marks, joiners, variation selectors. */
const ZERO = /^[\p{M}\p{Cf}]$/u;
/** Takes two: East Asian wide and full-width characters, and emoji. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u;
const ASCII = /^[\u0020-\u007e]*$/;

/** The columns a text takes; colours take none. */
export function widthOf(text: string): number {
  const shown = text.replaceAll(ESCAPES, '');
  if (ASCII.test(shown)) return shown.length;
  let width = 0;
  for (const character of shown) width += widthOfCharacter(character);
  return width;
}

function widthOfCharacter(character: string): number {
  if (ZERO.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** At most so many columns; what is cut off is said by `…`. Colours stay, and end where the text does. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let room = Math.max(0, width - 1);
  let kept = '';
  for (const [piece] of text.matchAll(PIECES)) {
    const takes = piece.startsWith('\u001b') ? 0 : widthOfCharacter(piece);
    if (takes > room) break;
    room -= takes;
    kept += piece;
  }
  return `${kept}${width > 0 ? '…' : ''}${kept.includes('\u001b') ? '\u001b[0m' : ''}`;
}

/** Lines of at most so many columns, broken between words; a word that is longer stays whole. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line === '' || widthOf(longer) <= width) line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line];
}
