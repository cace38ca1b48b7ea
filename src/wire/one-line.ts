/**
 * What would draw on a terminal, end a line of a protocol, or make text read in another order than it was written: C0 and C1 controls
 * (among them IRC's colours and CTCP's \x01), line and paragraph separators, marks of direction.
 */
const CONTROLS =
  // eslint-disable-next-line no-control-regex -- they are what it is about
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Text from elsewhere (intents, names) for people, on one line: control characters are shown instead of obeyed. */
export function oneLine(text: string): string {
  return text.replaceAll(CONTROLS, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
