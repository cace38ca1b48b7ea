import { readFileSync, statSync } from 'node:fs';
import { refusal, RefusedError } from '../base/refusal.ts';

/**
 * A secret that stands in a file of its own, in one line.
 *
 * @param what for people: `the server's password`
 * @param options.closed when it is certain that others may not read it, whatever the file's mode says
 * @throws RefusedError `usage` when it is not there, empty, has several lines, or others may read it
 */
export function readSecret(path: string, what: string, { closed = false } = {}): string {
  const wrong = (why: string, hint: string): RefusedError =>
    new RefusedError(refusal('usage', `${path}, which holds ${what}, cannot be used: ${why}.`, hint));
  let text: string;
  let mode: number;
  try {
    mode = statSync(path).mode;
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw wrong((error as Error).message, 'Name a file that is there, with the secret in one line.');
  }
  if (!closed && (mode & 0o077) !== 0) throw wrong('others may read it', `Close it: chmod 600 ${path}`);
  const secret = text.replace(/\r?\n$/, '');
  // eslint-disable-next-line no-control-regex -- a NUL or a line end would end the protocol's line
  if (secret === '' || /[\u0000\r\n]/.test(secret)) {
    throw wrong(secret === '' ? 'it is empty' : 'it has more than one line', 'Write the secret in one line.');
  }
  return secret;
}
