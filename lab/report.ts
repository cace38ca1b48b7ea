import type { Counts } from './guest.ts';

/** What became of one scenario. */
export interface Result {
  readonly name: string;
  readonly seconds: number;
  /** Of vitest runs in the guest. */
  readonly inner: Counts;
  /** Empty when it passed. */
  readonly failure: readonly string[];
  /** Why it failed at first, of one that passed when it was run again. */
  readonly atFirst?: readonly string[];
  /** It was not run, for want of time. */
  readonly leftOut?: true;
}

/** What is said of a scenario that failed. */
export interface Failure {
  readonly doing: string;
  readonly error: unknown;
  /** The last command in the guest, with what it said. */
  readonly lastCommand: string;
  /** Files to look into. */
  readonly logs: readonly string[];
}

const LINES_MAX = 40;
const CHARACTERS_MAX = 500;

/** What it was doing, what went wrong, the end of what the last command said, and where there is more. */
export function failureLines({ doing, error, lastCommand, logs }: Failure): string[] {
  const message = error instanceof Error ? error.message : String(error);
  const frame =
    error instanceof Error ? /^\s+at .*lab\/scenarios\/.*$/m.exec(error.stack ?? '')?.[0].trim() : undefined;
  const cause = error instanceof Error && error.cause instanceof Error ? [`  because: ${error.cause.message}`] : [];
  const repeated = lastCommand !== '' && message.includes(lastCommand.split('\n').slice(1, -1).join('\n'));
  return [
    `  while: ${doing}`,
    ...indented(message),
    ...cause,
    ...(frame === undefined ? [] : [`  ${frame}`]),
    ...(lastCommand === '' || repeated ? [] : ['  the last command in the guest:', ...indented(lastCommand)]),
    ...logs.map((file) => `  see ${file}`),
  ];
}

function indented(text: string): string[] {
  const lines = text.trimEnd().split('\n');
  const left = lines.length - LINES_MAX;
  const shown = left > 0 ? [`… (${left} lines more)`, ...lines.slice(-LINES_MAX)] : lines;
  return shown.map((line) => `    ${line.length > CHARACTERS_MAX ? `${line.slice(0, CHARACTERS_MAX)}…` : line}`);
}

/** How the run closes, for people and for scripts: `N passed, N failed`, and `, N skipped` when something was. */
export function closingLine(results: readonly Result[]): string {
  const sum = (count: (result: Result) => number): number =>
    results.reduce((total, result) => total + count(result), 0);
  const failed = (result: Result): boolean => result.failure.length > 0;
  const passes = sum((result) => result.inner.passed + (failed(result) || result.leftOut === true ? 0 : 1));
  const failures = sum((result) => result.inner.failed + (failed(result) ? 1 : 0));
  const skips = sum((result) => result.inner.skipped + (result.leftOut === true ? 1 : 0));
  return `${passes} passed, ${failures} failed${skips === 0 ? '' : `, ${skips} skipped`}`;
}
