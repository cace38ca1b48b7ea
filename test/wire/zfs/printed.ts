import { type DiffEntry, diffReader } from '../../../src/wire/zfs/diff.ts';

/** The entries of a whole output. */
export function read(text: string): DiffEntry[] {
  const found: DiffEntry[] = [];
  const reader = diffReader((entry) => void found.push(entry));
  reader.push(Buffer.from(text, 'latin1'));
  reader.end();
  return found;
}
