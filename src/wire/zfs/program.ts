/**
 * What `zfs program -j POOL SCRIPT` prints.
 *
 * Its JSON (2.1) is sound for ASCII only. Under LC_ALL=C it stops in the middle at the first other byte, and still exits with 0; in
 * a UTF-8 locale it leaves out every character beyond U+FFFF. So a script returns names, numbers and its own words, and free text
 * such as an intent is read with `zfs list`.
 */

/**
 * @param stdout of a program that exited with 0
 * @returns what the script returned; undefined when it returned nothing. Lua's `nil` comes as true, as `zfs` prints it.
 * @throws {TypeError} with the beginning of the text, when it is not JSON to its end, or not of this shape
 */
export function readProgram(stdout: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    answer = undefined;
  }
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) {
    throw new TypeError(`not the JSON of a channel program: ${JSON.stringify(stdout.slice(0, 200))}`);
  }
  return 'return' in answer ? answer.return : undefined;
}

/**
 * A Lua table with the keys 1, 2, 3 …, which arrives as `{"1":…,"2":…}`, in no order.
 *
 * @throws {TypeError} when it has other keys, or a key is missing
 */
export function asList(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) throw new TypeError(`not a Lua table: ${JSON.stringify(value)}`);
  const members = new Map<string, unknown>(Object.entries(value));
  return Array.from({ length: members.size }, (_, at) => {
    const key = String(at + 1);
    if (!members.has(key)) throw new TypeError(`a Lua list without a member ${key}: ${[...members.keys()].join(', ')}`);
    return members.get(key);
  });
}

/**
 * A guid or another unsigned number of 64 bits, as decimal text like that of `zfs get -Hp guid`.
 *
 * @param value what a script made with `tostring(…)`: Lua counts signed, so the upper half comes as negative numbers
 * @throws {TypeError} for what is no such number, and for a JSON number that a double cannot hold
 */
export function guidText(value: unknown): string {
  const number = wholeNumber(value);
  if (number === undefined || number >= 2n ** 64n || number < -(2n ** 63n)) {
    throw new TypeError(`not a number of 64 bits: ${JSON.stringify(value)}`);
  }
  return BigInt.asUintN(64, number).toString();
}

function wholeNumber(value: unknown): bigint | undefined {
  if (typeof value === 'string') return /^-?\d{1,20}$/.test(value) ? BigInt(value) : undefined;
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : undefined;
}
