import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/*
 * Puts what was built into place while commands may be running from it.
 */
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Replaces a file in one step: whoever reads it gets all of the old or all of the new.
 *
 * @param {string} path
 * @param {string | Uint8Array} content
 * @param {number} mode
 */
export function replace(path, content, mode) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, content);
  chmodSync(`${path}.new`, mode);
  renameSync(`${path}.new`, path);
}

/**
 * Files of earlier builds go only after a day: a process or a page that started before this build may still ask for them.
 *
 * @param {string} folder
 * @param {ReadonlySet<string>} current names that stay
 */
export function removeOld(folder, current) {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!current.has(name) && Date.now() - statSync(path).mtimeMs > DAY_MS) rmSync(path);
  }
}
