import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

import { buildWeb } from './build-web.mjs';
import { notices } from './notices.mjs';
import { removeOld, replace } from './place.mjs';

/*
 * Bundles src/bin/hauki.ts and all it imports into dist/. What is imported dynamically becomes a chunk of its own, so a
 * command loads only what it needs: `hauki status` never reads the HTTP server.
 *
 * Packages with a native part stay outside the bundle, and so does what only Bun has. They alone are `dependencies` in package.json; everything bundled
 * is a devDependency, so that whoever installs hauki gets two packages instead of eighty.
 *
 * The page a controller serves, web/, is built by scripts/build-web.mjs. What programs import, `hauki/client`, is a module of its own beside the command, without any native part.
 */
const EXTERNAL = [/^koffi(\/|$)/, /^@photostructure\/sqlite(\/|$)/, /^bun:/];

/** What a build depends on: dist/ is stale when one of these changed. */
const INPUTS = [
  'src',
  'web',
  'docs/errors.md',
  'package.json',
  'package-lock.json',
  'scripts/build.mjs',
  'scripts/build-web.mjs',
  'scripts/notices.mjs',
  'scripts/place.mjs',
];

const STAMP = 'dist/.inputs';
const ENTRY = 'hauki.cjs';
const LIBRARY = 'client.mjs';

/**
 * Whether dist/ was built from the sources as they are now. By content, not by time: git and tar do not keep times.
 *
 * @param {string} root the checkout
 */
export function isBuilt(root) {
  const stamp = join(root, STAMP);
  const there = [join(root, 'dist', ENTRY), join(root, 'dist/web/index.html'), stamp].every((path) => existsSync(path));
  return there && readFileSync(stamp, 'utf8') === inputsHash(root);
}

/**
 * Builds dist/ while commands may be running from it: a chunk carries the hash of its content in its name and is in
 * place before the entry that names it.
 *
 * @param {string} root the checkout
 */
export async function build(root) {
  // Taken first: what is edited during the build belongs to the next one.
  const hash = inputsHash(root);
  const output = await bundled(root, 'src/bin/hauki.ts', {
    // Node starts a CommonJS file some milliseconds sooner than a module: finding and linking one is work.
    format: 'cjs',
    entryFileNames: ENTRY,
    chunkFileNames: 'chunks/[name]-[hash].cjs',
  });
  const library = await bundled(root, 'src/bin/library.ts', { format: 'es', entryFileNames: LIBRARY });
  // Neither minified nor mapped. Minifying gained 5 of 140 ms at start, and cost stack traces anybody can read.

  const page = await buildWeb(root);
  const dist = join(root, 'dist');
  const files = [...library, ...output].toSorted((a, b) => Number(a.fileName === ENTRY) - Number(b.fileName === ENTRY));
  for (const file of files) {
    const content = file.type === 'chunk' ? file.code : file.source;
    if (file.fileName === ENTRY) replace(join(dist, ENTRY), withHashbang(String(content)), 0o755);
    else replace(join(dist, file.fileName), content, 0o644);
  }
  writeManual(dist);
  const modules = [...output, ...library].flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
  replace(join(dist, 'NOTICES.txt'), notices([...modules, ...page]), 0o644);
  removeOld(join(dist, 'chunks'), new Set(files.map((file) => basename(file.fileName))));
  replace(join(root, STAMP), hash, 0o644);
}

/**
 * The manual pages, by the program itself.
 *
 * @param {string} dist
 */
function writeManual(dist) {
  const folder = join(dist, 'man');
  rmSync(folder, { recursive: true, force: true });
  const { status, stderr } = spawnSync(process.execPath, [join(dist, ENTRY), 'man', '--into', folder]);
  if (status !== 0) throw new Error(`the manual pages could not be written: ${stderr}`);
}

/**
 * @param {string} root
 * @param {string} input
 * @param {import('rolldown').OutputOptions} shape
 */
async function bundled(root, input, shape) {
  const { rolldown } = await import('rolldown');
  const bundle = await rolldown({
    cwd: root,
    input,
    platform: 'node',
    external: EXTERNAL,
    // What "hauki explain" knows of each code is the page itself.
    moduleTypes: { '.md': 'text' },
    transform: { target: 'node20.19' },
  });
  const { output } = await bundle.generate(shape);
  await bundle.close();
  return output;
}

/** @param {string} root */
function inputsHash(root) {
  const hash = createHash('sha256');
  for (const input of INPUTS)
    for (const file of filesUnder(root, input))
      hash
        .update(`${file}\0`)
        .update(readFileSync(join(root, file)))
        .update('\0');
  return hash.digest('hex');
}

/**
 * @param {string} root
 * @param {string} path
 * @returns {string[]}
 */
function filesUnder(root, path) {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path))
    .toSorted()
    .flatMap((name) => filesUnder(root, `${path}/${name}`));
}

/** @param {string} code */
function withHashbang(code) {
  return code.startsWith('#!') ? code : `#!/usr/bin/env node\n${code}`;
}
