import { spawnSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { rolldown } from 'rolldown';

/*
 * Runs a TypeScript program of this repository that is not part of the product: `node scripts/run.mjs sim [arguments]` runs
 * sim/main.ts. Node 20 cannot load TypeScript, so it is bundled first; that takes a fraction of a second.
 */
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const [program = '', ...args] = process.argv.slice(2);
// Inside node_modules, so that what stays outside the bundle is found.
const BUNDLE = join(ROOT, 'node_modules/.cache', program, 'main.mjs');

const bundle = await rolldown({
  cwd: ROOT,
  input: join(program, 'main.ts'),
  platform: 'node',
  // What has a native part, or finds its own files beside itself.
  external: [
    /^playwright-core(\/|$)/,
    /^vite$/,
    /^koffi(\/|$)/,
    /^@photostructure\/sqlite(\/|$)/,
    /^rolldown(\/|$)/,
    /^bun:/,
  ],
  transform: { target: 'node20.19' },
});
// Moved there whole: another run of the same program may be reading it.
const draft = `${BUNDLE}.${process.pid}`;
await bundle.write({ file: draft, format: 'es', sourcemap: 'inline', codeSplitting: false });
await bundle.close();
renameSync(draft, BUNDLE);

// A Ctrl-C reaches the program as well. What to do about it is its affair, and this waits for it.
process.on('SIGINT', () => {});
const { status } = spawnSync(process.execPath, ['--enable-source-maps', BUNDLE, ...args], {
  stdio: 'inherit',
  cwd: ROOT,
});
process.exitCode = status ?? 1;
