import type { Entries, Entry } from '../tree/entry.ts';

/**
 * Holds what cp copied against what it was to copy. cp goes by path: whoever may write in a live directory can have a symlink in its
 * place meanwhile, and put it back before anybody looks again. Then the superuser's copy holds some file of the host, and a
 * rollback would hand it over. Such a file is told by its owner, mode, size or mtime, which cp copies along: with the same owner
 * and mode it was open to whoever gets it.
 *
 * @param stored what the store has
 * @returns `entries`, with all that is no copy of them as the store has it; the same object when there is nothing of the kind
 */
export function withForeign(entries: Entries, stored: Entries): Entries {
  const result = new Map<string, Entry>();
  let foreign = false;
  for (const [path, entry] of entries) {
    const copy = stored.get(path);
    if (copy !== undefined && isCopy(copy, entry)) {
      result.set(path, entry);
      continue;
    }
    foreign = true;
    if (copy !== undefined) result.set(path, copy);
  }
  for (const [path, copy] of stored) {
    if (entries.has(path)) continue;
    foreign = true;
    result.set(path, copy);
  }
  return foreign ? result : entries;
}

const READABLE = 0o400;
const SEARCHABLE = 0o500;

function isCopy(copy: Entry, entry: Entry): boolean {
  if (copy.type !== entry.type || copy.target !== entry.target || copy.mtime !== entry.mtime) return false;
  if (entry.type === 'f' && copy.size !== entry.size) return false;
  if (process.geteuid?.() === 0) return copy.uid === entry.uid && copy.gid === entry.gid && copy.mode === entry.mode;
  // An ordinary user's copies are his own, without setuid, and open to him. Of what he keeps to himself nobody's entry is.
  const opening = entry.type === 'd' ? SEARCHABLE : READABLE;
  return ((copy.mode ^ entry.mode) & 0o777 & ~opening) === 0;
}
