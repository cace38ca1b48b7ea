import { refusal, type Refusal } from '../../base/refusal.ts';

/** A task's signature lies beside it, under its name with this at the end. */
export const SIGNATURE = '.sig';
/** So do what it said, what became of it, and under which mutation it runs. */
export const LOG = '.log';
export const RESULT = '.result.json';
export const CLAIM = '.claim.json';
const OURS = [SIGNATURE, LOG, RESULT, CLAIM];

/** A file name has 255 bytes, and a task's leaves room for the ends above and for the time of a second one of its name. */
const NAME_BYTES_MAX = 200;

/** What programs call a file that they have not finished. */
const UNFINISHED = /^\.|~$|^#.*#$|\.(?:tmp|temp|part|partial|filepart|swp|swx|crdownload|download|new)$/i;

/** True for what is no task, and never becomes one under this name: it is left alone. */
export function isPassing(name: string): boolean {
  return UNFINISHED.test(name) || name.endsWith(SIGNATURE);
}

/** Why no task can be called this. */
export function taskNameRefusal(name: string): Refusal | undefined {
  const refuse = (why: string, hint?: string): Refusal =>
    refusal('task_invalid', `A task cannot be called ${shown(name)}: ${why}.`, hint);
  // U+FFFD stands for bytes that are no text.
  if (/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u{FFFD}]/u.test(name))
    return refuse('its name holds a line break, a control character, or bytes that are no UTF-8');
  if (name === '' || name.includes('/')) return refuse('that is no file name');
  if (bytesOf(name) > NAME_BYTES_MAX) return refuse(`its name has more than ${NAME_BYTES_MAX} bytes`);
  const end = OURS.find((one) => name.endsWith(one));
  if (end !== undefined) return refuse(`hauki's own files end in ${end}`);
  if (isPassing(name))
    return refuse('that is what programs call a file they have not finished, and it would be left alone');
  return undefined;
}

/** What something that cannot be called as it is is called from there on, so that it can lie beside the others. */
export function safeName(name: string, digest: string): string {
  const plain = [...name]
    .slice(0, 40)
    .join('')
    .replaceAll(/[^\p{L}\p{N} _.,+@-]/gu, '_')
    .replace(/^\.+/, '');
  return `${plain}-${digest.slice(0, 12)}`;
}

/** By name, as `LC_ALL=C ls` does: the same everywhere, whatever the language. */
export function inOrder(names: readonly string[]): string[] {
  return names.toSorted((a, b) => (a === b ? 0 : lessByCodePoint(a, b) ? -1 : 1));
}

function lessByCodePoint(a: string, b: string): boolean {
  const [ours, theirs] = [[...a], [...b]];
  for (let index = 0; index < ours.length; index += 1) {
    const [one = '', other] = [ours[index], theirs[index]];
    if (other === undefined) return false;
    if (one !== other) return (one.codePointAt(0) ?? 0) < (other.codePointAt(0) ?? 0);
  }
  return true;
}

function bytesOf(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x1_0000 ? 3 : 4;
  }
  return bytes;
}

function shown(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}
