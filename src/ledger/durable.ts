import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes the folder and its missing parents, readable by nobody else, and sees to it that they outlive a power cut. */
export function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { recursive: true, mode: 0o700 });
  syncPath(dirname(path));
}

/** The file is there whole with this content, or as it was before; durable on return. */
export function writeDurably(path: string, content: string, mode: number): void {
  const draft = `${path}.tmp`;
  writeFileSync(draft, content, { mode, flush: true });
  renameSync(draft, path);
  syncPath(dirname(path));
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
