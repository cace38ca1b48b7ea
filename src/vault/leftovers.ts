import { existsSync, readdirSync } from 'node:fs';

/**
 * What processes that have ended left in a folder, among what belongs to one process each.
 *
 * @param prefix what their names begin with; the id of the process comes after it, and perhaps more after a `-`
 */
export function leftovers(folder: string, prefix: string): string[] {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith(prefix)) : [];
  return names.filter((name) => !existsSync(`/proc/${Number(name.slice(prefix.length).split('-', 1)[0])}`));
}
