/** The opening of a fenced block: ```` ```sh gem-exec node=crm ````. */
export interface Fence {
  readonly char: '`' | '~';
  readonly length: number;
  /** What stands behind it. */
  readonly info: string;
}

/** @param text of the line, from its first character that is no blank */
export function openingFence(text: string): Fence | undefined {
  const [, marks = '', info = ''] = /^(`{3,}|~{3,})(.*)$/.exec(text) ?? [];
  const char = marks[0];
  if (char !== '`' && char !== '~') return undefined;
  // With a backtick behind it, it is a piece of code in a line.
  if (char === '`' && info.includes('`')) return undefined;
  return { char, length: marks.length, info: info.trim() };
}

/** At least as long, of the same kind, and nothing behind it. */
export function closesFence(text: string, { char, length }: Fence): boolean {
  if (!text.startsWith(char.repeat(length))) return false;
  let at = length;
  while (text[at] === char) at += 1;
  return /^[ \t]*$/.test(text.slice(at));
}
