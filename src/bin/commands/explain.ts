import { type Code, CODES } from '../../base/codes.ts';
import page from '../../../docs/errors.md' with { type: 'text' };
import { paintFor } from '../colour.ts';
import { type Explained, explanationsIn } from '../explanation.ts';
import { oneLine, printJson, printText } from '../output.ts';
import { sheetOfStdout, table } from '../table.ts';
import { wrapped } from '../width.ts';
import { usage } from './asking.ts';

export interface ExplainOptions {
  readonly json?: boolean;
}

const INDENT = 11;
/** What the exit codes of commands say, whatever the error. */
const EXITS: Readonly<Record<string, string>> = {
  '0': 'done; of guard: committed',
  '64': 'wrong usage: it was asked wrongly, and nothing was executed',
  '70': 'the outcome is unknown, or a person has to decide: "hauki show M" tells how it stands',
  '75': 'denied or unreachable: nothing was executed',
};

/** `hauki explain [CODE]`: what an error code or an exit code means, and what to do; without one, all there are. */
export async function explain(code: string | undefined, options: ExplainOptions): Promise<number> {
  const all = explanationsIn(page);
  if (code === undefined) print(all, options, list(all));
  else if (Object.hasOwn(EXITS, code)) {
    const those = all.filter(({ exit }) => String(exit) === code);
    const words = `exit code ${code}: ${EXITS[code]}`;
    print(
      { exit: Number(code), meaning: EXITS[code], codes: those.map((one) => one.code) },
      options,
      those.length === 0 ? words : `${words}\n\n${list(those)}`,
    );
  } else {
    const found = all.find((one) => one.code === code);
    if (found === undefined) throw unknown(code);
    print(found, options, described(found));
  }
  return Promise.resolve(0);
}

function print(value: unknown, { json }: ExplainOptions, text: string): void {
  if (json) printJson(value);
  else printText(text);
}

function described({ code, meaning, exit, http, retry, hint, group }: Explained): string {
  const paint = paintFor(1);
  const { width = Number.POSITIVE_INFINITY } = sheetOfStdout();
  const fact = (label: string, words: string): string =>
    wrapped(words, Math.max(40, width - INDENT))
      .map((line, index) => paint('dim', (index === 0 ? label : '').padEnd(INDENT)) + line)
      .join('\n');
  return [
    fact('code', `${paint('bold', code)}  ${paint('dim', group)}`),
    fact('meaning', meaning),
    fact('hint', hint),
    fact('exit', `${exit}, ${EXITS[String(exit)]?.split(/[:,;]/)[0]}`),
    fact('http', String(http)),
    fact('retry', retry ? 'the same call may go through later by itself' : 'not before something has changed'),
  ].join('\n');
}

function list(all: readonly Explained[]): string {
  const rows = all.map(({ code, exit, retry, meaning }) => [code, String(exit), retry ? 'yes' : 'no', meaning]);
  return table(['CODE', 'EXIT', 'RETRY', 'WHAT IT MEANS'], rows);
}

function unknown(code: string): Error {
  const near = (Object.keys(CODES) as Code[]).filter((one) => one.includes(code) || alike(one, code));
  return usage(
    `There is no error code "${oneLine(code)}".`,
    near.length > 0 ? `Did you mean ${near.slice(0, 5).join(', ')}?` : '"hauki explain" lists all of them.',
  );
}

/** Some words of it are the same: `stale_fence` is `fence_stale`. */
function alike(one: string, other: string): boolean {
  const words = new Set(other.split(/[_\W]+/).filter((word) => word.length > 2));
  return one.split('_').some((word) => words.has(word));
}
