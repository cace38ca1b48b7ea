import { refusal, RefusedError } from '../base/refusal.ts';

/**
 * A word as a unit file has it: between quotes where it has to be, `%` and `$` meaning themselves.
 *
 * @throws RefusedError `usage` for one with a newline or another control character, which no unit can hold
 */
export function inUnit(word: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what it is about
  if (/[\u0000-\u001f\u007f]/.test(word))
    throw new RefusedError(refusal('usage', `${JSON.stringify(word)} cannot stand in a unit of systemd's.`));
  const own = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@%$+=:,./-]+$/.test(own) ? own : `"${own.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
