import { statSync } from 'node:fs';
import { dirname } from 'node:path';

const WRITABLE_BY_OTHERS = 0o022;
/** In a folder with this bit nobody removes or replaces what is another's. */
const STICKY = 0o1000;

/**
 * What of a path others than root could change or replace: whoever can, is root as soon as a service of root's runs what lies there.
 *
 * @param path absolute, without links
 * @returns the file, or the folder above it; undefined when only root can
 */
export function changeableByOthers(path: string): string | undefined {
  for (let at = path; ; at = dirname(at)) {
    const { uid, mode } = statSync(at);
    const isOpen = (mode & WRITABLE_BY_OTHERS) !== 0 && (at === path || (mode & STICKY) === 0);
    if (uid !== 0 || isOpen) return at;
    if (at === dirname(at)) return undefined;
  }
}
