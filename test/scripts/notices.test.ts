import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { notices } from '../../scripts/notices.mjs';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-notices-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** @returns the path of a module in it */
function installed(path: string, manifest: object, files: Readonly<Record<string, string>> = {}): string {
  const at = join(folder, 'node_modules', path);
  mkdirSync(join(at, 'lib'), { recursive: true });
  writeFileSync(join(at, 'package.json'), JSON.stringify({ name: path.split('node_modules/').at(-1), ...manifest }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(at, name), text);
  return join(at, 'lib/index.js');
}

test('names each package that a module is from once, with what came with it', () => {
  const said = notices([
    installed('plain', { version: '1.0.0', license: 'MIT' }, { LICENSE: 'do as you like\n' }),
    `\0${installed('@scoped/one', { version: '2.0.0', license: 'Apache-2.0' }, { 'LICENCE.md': 'terms', NOTICE: 'thanks' })}?url`,
    installed('plain/node_modules/inner', { version: '3.0.0', license: 'ISC', author: { name: 'Ada' } }),
    join(folder, 'node_modules/plain/lib/other.js'),
    join(folder, 'src/ours.ts'),
    '\0rolldown/runtime.js',
  ]);
  expect(said.split(/\n─+\n\n/)).toEqual([
    '@scoped/one 2.0.0 (Apache-2.0)\n\nterms\n\nthanks\n',
    'inner 3.0.0 (ISC)\n\nCopyright Ada\n',
    'plain 1.0.0 (MIT)\n\ndo as you like\n',
  ]);
});

test('stops at a package that does not say how it may be passed on', () => {
  expect(() => notices([installed('silent', { version: '1.0.0' })])).toThrow(/silent says under which license/);
});
