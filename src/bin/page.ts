import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PageFiles } from '../doors/http/page.ts';

/**
 * The page that was built with this program, from the folder beside it. Read when first asked for: most controllers never show it to anybody, and one
 * that was built anew while this runs is not mixed with the old one.
 */
export function builtPage(): () => PageFiles | undefined {
  let read: PageFiles | undefined;
  return () => (read ??= pageIn(join(dirname(realpathSync(process.argv[1] ?? '.')), 'web')));
}

/** @returns undefined where there is no page */
function pageIn(folder: string): PageFiles | undefined {
  const index = join(folder, 'index.html');
  if (!existsSync(index)) return undefined;
  const assets = join(folder, 'assets');
  const names = existsSync(assets) ? readdirSync(assets) : [];
  const files = new Map(names.map((name) => [`assets/${name}`, readFileSync(join(assets, name))]));
  return files.set('index.html', readFileSync(index));
}
