/** A user hold: as long as it is there, the snapshot cannot be destroyed. */
export interface Hold {
  readonly snapshot: string;
  readonly tag: string;
  /** When it was placed, as printed: local time without seconds (`Tue Nov 24 08:19 2026`). For people; 2.1 has no `-p` here. */
  readonly since: string;
}

/**
 * Rows of `zfs holds -H SNAPSHOT…` (LC_ALL=C). A tag may hold blanks, and tabs too: it is what stands between the first tab and the
 * last. One with a newline, which ZFS also takes, is refused. No rows at all: no holds.
 *
 * @throws {TypeError} with the row, when it is none
 */
export function readHolds(text: string): Hold[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const found = /^([^\t]*@[^\t]*)\t(.*)\t([^\t]+)$/.exec(line);
    if (found === null) throw new TypeError(`not a row of zfs holds: ${JSON.stringify(line)}`);
    const [, snapshot = '', tag = '', since = ''] = found;
    return { snapshot, tag, since };
  });
}
