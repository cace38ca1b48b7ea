import { availableParallelism } from 'node:os';

import { type Ran, run } from '../run.ts';

const PROCESSES_MAX = 4;

/** How a copying program ended: `error` is its first complaint, undefined when everything was copied. */
export interface Copied {
  readonly error?: string;
}

/**
 * Copies the parts of a tree (see parts.ts) with everything that belongs to them, sharing blocks where the file
 * system can, several at a time: making files is work for a processor more than for a disk. What could not be copied, the
 * caller finds by comparing.
 *
 * @param to is there, with the directories that the parts lie in
 */
export async function copyParts(from: string, to: string, parts: readonly string[]): Promise<Copied> {
  if (parts.length === 0) return {};
  const processes = Math.min(availableParallelism(), PROCESSES_MAX);
  const each = Math.min(Math.ceil(parts.length / (processes * 4)), 200);
  // Paths are bytes, and Node's argument vectors are text: xargs hands them over as they are.
  const stdin = Buffer.from(parts.map((path) => `./${path}\0`).join(''), 'latin1');
  const cp = ['cp', '-a', '--reflink=auto', '--one-file-system', '--parents', '-t', to, '--'];
  return judged(await run('xargs', ['-0', '-P', String(processes), '-n', String(each), ...cp], { cwd: from, stdin }));
}

/**
 * Copies a whole tree in one piece.
 * @param to does not exist yet
 */
export async function copyTree(from: string, to: string): Promise<Copied> {
  return judged(await run('cp', ['-a', '--reflink=auto', '--one-file-system', '-T', '--', from, to]));
}

/**
 * Makes a second tree out of the same files, as hard links: no content is copied, the directories are new.
 * @param to does not exist yet
 */
export async function linkTree(from: string, to: string): Promise<Copied> {
  return judged(await run('cp', ['-al', '--one-file-system', '-T', '--', from, to]));
}

/** Removes a tree of the store, whatever its directories' modes. Nothing there is fine. */
export async function removeTree(path: string): Promise<void> {
  if (process.geteuid?.() !== 0) {
    // Nobody but the superuser can empty a directory he may not write in. Files are left alone: their inodes are shared.
    await run('find', [path, '-type', 'd', '!', '-perm', '-u=rwx', '-exec', 'chmod', 'u+rwx', '{}', ';']);
  }
  const ran = await run('rm', ['-rf', '--one-file-system', '--', path]);
  if (ran.code !== 0) throw new Error(firstLine(ran.stderr) ?? `rm ended with ${ran.code ?? ran.signal}`);
}

function judged(ran: Ran): Copied {
  if (ran.code === 0) return {};
  return { error: firstLine(ran.stderr) ?? `the copying program ended with ${ran.code ?? ran.signal}` };
}

function firstLine(output: Buffer): string | undefined {
  const [line = ''] = output.toString().split('\n');
  return line === '' ? undefined : line;
}
