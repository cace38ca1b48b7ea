/** A listening Unix socket, as /proc/net/unix has it. */
export interface Listener {
  /** A path; of one without a file (an abstract one) its name. */
  readonly name: string;
  readonly abstract: boolean;
  readonly inode: string;
}

const ACCEPTS = 0x10000;

/**
 * `0000…: 00000002 00000000 00010000 0001 01 23456 @name`, one a line below a heading. A NUL of an abstract name stands there as `@`: the one
 * before it, and those with which Node fills it up to its greatest length, where Bun does not.
 */
export function listenersIn(table: string): Listener[] {
  return table.split('\n').flatMap((line) => {
    const [, flags, inode, shown] = /^\w+: \w+ \w+ (\w+) \w+ \w+ +(\d+) (.+)$/.exec(line) ?? [];
    if (flags === undefined || inode === undefined || shown === undefined) return [];
    if ((Number.parseInt(flags, 16) & ACCEPTS) === 0) return [];
    const abstract = shown.startsWith('@');
    return [{ name: abstract ? shown.slice(1).replace(/@+$/, '') : shown, abstract, inode }];
  });
}
