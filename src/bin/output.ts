import { writeSync } from 'node:fs';
import { CODES } from '../base/codes.ts';
import { type Refusal, RefusedError } from '../base/refusal.ts';
import { oneLine } from '../wire/one-line.ts';
import { paintFor } from './colour.ts';

export { oneLine };
export { table } from './table.ts';

/** What every command does with its result: people get text, machines one JSON document. */

export function printJson(value: unknown): void {
  writeTo(1, `${JSON.stringify(value)}\n`);
}

export function printText(text: string): void {
  writeTo(1, text.endsWith('\n') || text === '' ? text : `${text}\n`);
}

/** As it is: what a task said is not ours to end with a line. */
export function printRaw(text: string): void {
  writeTo(1, text);
}

/** hauki's own words, on stderr: stdout is the command's. */
export function say(text: string): void {
  writeTo(2, `${paintFor(2)('dim', 'hauki:')} ${text}\n`);
}

/** A refusal, where it belongs: with `--json` one document on stdout, otherwise what, why and what next on stderr. */
export function printRefusal(reason: Refusal, json: boolean): void {
  const { code, message, hint, evidence } = reason;
  if (json) printJson({ status: 'denied', code, message, hint, ...(evidence === undefined ? {} : { evidence }) });
  else {
    const paint = paintFor(2);
    say(`${paint('red', oneLine(message))} ${paint('dim', `(${code})`)}`);
    say(oneLine(hint));
  }
}

/** The exit code that goes with an error. */
export function exitCodeOf(error: unknown): number {
  return error instanceof RefusedError ? CODES[error.refusal.code].exit : CODES.internal.exit;
}

let gone = false;

/** Nobody reads stdout any more: what goes on and on can stop. */
export function readerIsGone(): boolean {
  return gone;
}

export function writeTo(descriptor: 1 | 2, text: string): void {
  // Synchronous, so that nothing is lost when the process ends right after; a reader that has gone away is no error of ours.
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(descriptor, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') continue;
      if (code === 'EPIPE' || code === 'EIO') {
        gone ||= descriptor === 1;
        return;
      }
      // What is only said, on a full disk for instance, is never worth what is done: a guard still has to commit or roll back.
      if (descriptor === 2) return;
      throw error;
    }
  }
}
