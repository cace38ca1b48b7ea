import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { removeOld, replace } from './place.mjs';

/*
 * Bundles web/, the page a controller serves, into dist/web: index.html, and assets/ whose names carry the hash of what is in them.
 */

/** All of the page, each file gzipped, bytes: a phone on a bad line has it within a second or two. */
export const PAGE_BYTES_MAX = 80_000;

/**
 * @param {string} root the checkout
 * @returns {Promise<string[]>} the modules that are in it
 * @throws when the page does not compile, or has grown larger than PAGE_BYTES_MAX
 */
export async function buildWeb(root) {
  const { files, modules } = await bundled(join(root, 'web'));
  const problem = tooLarge(files);
  if (problem !== undefined) throw new Error(problem);

  // The page that names the assets comes last, when they are all there.
  const folder = join(root, 'dist/web');
  const isPage = (/** @type {{ name: string }} */ { name }) => Number(name === 'index.html');
  for (const { name, content } of files.toSorted((a, b) => isPage(a) - isPage(b)))
    replace(join(folder, name), content, 0o644);
  removeOld(join(folder, 'assets'), new Set(files.map(({ name }) => basename(name))));
  return modules;
}

/**
 * What is wrong with the size of a page, if anything is.
 *
 * @param {readonly { name: string, content: string | Uint8Array }[]} files
 * @returns {string | undefined}
 */
export function tooLarge(files) {
  const sizes = files.map(({ name, content }) => ({ name, bytes: gzipSync(content, { level: 9 }).length }));
  const bytes = sizes.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes <= PAGE_BYTES_MAX) return undefined;
  const each = sizes.map((file) => `${file.name} ${file.bytes}`).join(', ');
  return `web/ is ${bytes} bytes gzipped, and may be ${PAGE_BYTES_MAX}: ${each}`;
}

/**
 * @param {string} folder
 * @returns {Promise<{ files: { name: string, content: string | Uint8Array }[], modules: string[] }>}
 */
async function bundled(folder) {
  const { build } = await import('vite');
  const built = await build({
    root: folder,
    configFile: false,
    envDir: false,
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      write: false,
      target: ['chrome111', 'firefox114', 'safari16.4'],
      // The page's content security policy lets nothing inline run, and every browser above preloads modules by itself.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
  });
  if (!('output' in built)) throw new Error('vite gave something else than one bundle');
  return {
    files: built.output.map((file) => ({
      name: file.fileName,
      content: file.type === 'chunk' ? file.code : file.source,
    })),
    modules: built.output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : [])),
  };
}
