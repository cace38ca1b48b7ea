import { spawnSync } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * Writes docs/cli.md from what the program in dist/ says of itself: `npm run reference`. test/e2e/reference.test.ts refuses a page that
 * is not current.
 */
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PAGE = join(ROOT, 'docs/cli.md');

const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'dist/hauki.cjs'), 'man', '--markdown'], {
  encoding: 'utf8',
});
if (status !== 0) throw new Error(`hauki man --markdown failed: ${stderr}`);
writeFileSync(`${PAGE}.new`, stdout);
renameSync(`${PAGE}.new`, PAGE);
