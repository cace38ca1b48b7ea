/**
 * Free text in a ZFS user property. ZFS prints values raw: a newline ends the row of `zfs list -H`, a tab the column, and a lone
 * `-` cannot be told from "not set". So hauki stores text without any of these, and still readable for people.
 *
 * A value has 8191 bytes at most; beyond that `zfs set` refuses and `zfs snapshot -o` dies of SIGABRT. An intent of 512 characters
 * never comes near it: an escape has 6 bytes at most, 3072 in all.
 */

/** C0, DEL and C1 (terminals obey them), the backslash, and halves of surrogate pairs, which UTF-8 cannot hold. */
const UNSAFE = /[\p{Cc}\p{Cs}\\]/gu;
const SHORT: ReadonlyMap<string, string> = new Map([
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\t', '\\t'],
  ['\r', '\\r'],
]);
/** Texts that need an escape only when there is nothing else. */
const WHOLE: ReadonlyMap<string, string> = new Map([
  ['-', '\\-'],
  ['', '\\e'],
]);
const [SHORT_BACK, WHOLE_BACK] = [backwards(SHORT), backwards(WHOLE)];

/**
 * @param text anything, even halves of surrogate pairs
 * @returns escapes as in JSON (`\n`, `\t`, `\r`, `\\`, `\u0007`), everything else literally; `\-` for `-`, `\e` for nothing at all
 */
export function encodeProperty(text: string): string {
  return (
    WHOLE.get(text) ??
    text.replaceAll(
      UNSAFE,
      (character) => SHORT.get(character) ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
  );
}

/** What `encodeProperty` was given. Never refuses: where somebody else wrote the value, a backslash that begins no escape is one. */
export function decodeProperty(value: string): string {
  return (
    WHOLE_BACK.get(value) ??
    value.replaceAll(
      /\\(?:[\\ntr]|u([0-9a-fA-F]{4}))/g,
      (escape, hex: string | undefined) => SHORT_BACK.get(escape) ?? (hex === undefined ? escape : unit(hex)),
    )
  );
}

function unit(hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16));
}

function backwards(table: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...table].map(([text, value]) => [value, text]));
}
