import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { rolldown } from 'rolldown';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/**
 * Node 20 cannot run TypeScript, and a test that kills processes needs real ones. Bundles an entry of this folder, or of another, into one JavaScript
 * file and returns its path. It lies inside node_modules, so that the native addons left outside the bundle resolve.
 */
export async function bundle(entry: string, from = 'test/ledger/process'): Promise<string> {
  const folder = join(ROOT, 'node_modules/.cache/hauki-test');
  mkdirSync(folder, { recursive: true });
  // Test files run in parallel, so each writes a file of its own.
  const file = join(folder, `${entry}-${process.pid}-${Math.random().toString(36).slice(2)}.mjs`);
  const build = await rolldown({
    input: join(ROOT, from, `${entry}.ts`),
    platform: 'node',
    external: ['@photostructure/sqlite', 'koffi'],
  });
  await build.write({ file, format: 'esm', codeSplitting: false });
  await build.close();
  return file;
}
