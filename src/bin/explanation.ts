import { type Code, CODES } from '../base/codes.ts';

/** An error code, as the catalogue and docs/errors.md tell of it. */
export interface Explained {
  readonly code: Code;
  /** What it belongs to: `Not now`. */
  readonly group: string;
  readonly meaning: string;
  readonly hint: string;
  readonly exit: number;
  readonly http: number;
  readonly retry: boolean;
}

const ROW = /^\| `(\w+)` \|(?:[^|]*\|){3} (.*) \|$/;

/**
 * Every code that a page such as docs/errors.md has a row for, in its order. A check holds the page to the catalogue, so that is every
 * code there is.
 */
export function explanationsIn(page: string): Explained[] {
  let group = '';
  const found: Explained[] = [];
  for (const line of page.split('\n')) {
    if (line.startsWith('## ')) group = line.slice(3);
    const [, code = '', words = ''] = ROW.exec(line) ?? [];
    if (isCode(code)) found.push({ code, group, meaning: spoken(words), ...CODES[code] });
  }
  return found;
}

function isCode(text: string): text is Code {
  return Object.hasOwn(CODES, text);
}

/** Without the marks of Markdown. */
function spoken(text: string): string {
  return text
    .replaceAll('\\|', '|')
    .replaceAll(/\[([^\]]+)\]\(([^)]+)\)/g, '$1 ($2)')
    .replaceAll(/`([^`]+)`/g, '$1')
    .replaceAll(/\*\*([^*]+)\*\*/g, '$1');
}
