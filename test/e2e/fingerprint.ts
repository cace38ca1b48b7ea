import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Everything a rollback must bring back, one line an entry: kind, mode, owner, mtime in ns, links, size, and content or target.
 * Names and targets as bytes. Two equal fingerprints are two trees that are byte for byte the same.
 */
export function fingerprint(root: string): string {
  try {
    return look(root);
  } catch (error) {
    // Looked at while somebody works there: then it is not the tree it was, and that is all that matters.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'changing';
    throw error;
  }
}

function look(root: string): string {
  const lines: string[] = [];
  const walk = (path: Buffer, name: string): void => {
    const stat = lstatSync(path, { bigint: true });
    lines.push(`${name} ${describe(path, stat)}`);
    if (!stat.isDirectory()) return;
    const names = readdirSync(path, { encoding: 'buffer' });
    for (const child of names.toSorted((a, b) => Buffer.compare(a, b))) {
      walk(Buffer.concat([path, Buffer.from('/'), child]), `${name}/${escaped(child)}`);
    }
  };
  walk(Buffer.from(root), '.');
  return lines.join('\n');
}

function describe(path: Buffer, stat: BigIntStats): string {
  const facts = [stat.mode.toString(8), stat.uid, stat.gid, stat.mtimeNs];
  if (stat.isDirectory()) return facts.join(' ');
  if (stat.isSymbolicLink()) return [...facts, escaped(readlinkSync(path, { encoding: 'buffer' }))].join(' ');
  const content = stat.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'special';
  return [...facts, stat.nlink, stat.size, content].join(' ');
}

function escaped(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1'));
}
