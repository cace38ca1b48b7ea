import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';

import { apiReference } from '../../scripts/api-reference.mjs';
import { type Component, needs } from '../needs.ts';
import { blocksOf, documents, fault, isShell, OPENING, type Part, partsOf, scriptOf, textOf } from './documents.ts';
import { ask, socketOf } from './http.ts';
import { place, ROOT, type Outcome } from './place.ts';

/* What README and docs/ tell people to type does what they say. How blocks are marked: ./documents.ts */

const PATHS = documents();
const blocks = PATHS.flatMap((path) => blocksOf(path, textOf(path)));

test('every document is in the index', () => {
  const index = textOf('docs/README.md');
  const missing = PATHS.filter((path) => path.startsWith('docs/') && path !== 'docs/README.md').filter(
    (path) => !index.includes(`](${path.slice('docs/'.length)})`),
  );
  expect(missing).toEqual([]);
});

describe('blocks', () => {
  test('are run, or say why not', () => {
    const faults = blocks.flatMap((block) => {
      const wrong = fault(block);
      return wrong === undefined ? [] : [`${block.path}:${block.line - 1}: ${wrong}`];
    });
    expect(faults).toEqual([]);
    expect(blocks.filter(isShell).length).toBeGreaterThan(20);
  });

  test('of YAML and JSON can be read', () => {
    const faults = blocks.flatMap(({ path, line, info, text }) => {
      try {
        if (info === 'json') JSON.parse(text);
        const [mistake] = info === 'yaml' ? parseAllDocuments(text).flatMap(({ errors }) => errors) : [];
        return mistake === undefined ? [] : [`${path}:${line}: ${mistake.message}`];
      } catch (error) {
        return [`${path}:${line}: ${String(error)}`];
      }
    });
    expect(faults).toEqual([]);
  });
});

/** Runs parts of a document in a place of their own, where `hauki` is on the PATH and `./hauki` in the folder. */
async function session(parts: readonly Part[], finished?: Parameters<typeof place>[1]): Promise<Outcome> {
  const { folder, start } = place({}, finished);
  const [work, bin, scripts] = ['work', 'bin', 'scripts'].map((name) => join(folder, name)) as [string, string, string];
  for (const made of [work, bin, scripts]) mkdirSync(made);
  for (const at of [work, bin]) symlinkSync(join(ROOT, 'hauki'), join(at, 'hauki'));
  const sources = parts.map((part) => {
    const file = join(scripts, `${part.line}`, part.path.replaceAll('/', '+'));
    mkdirSync(join(scripts, `${part.line}`));
    writeFileSync(file, scriptOf(part));
    return `. '${file}'\n`;
  });
  writeFileSync(join(scripts, 'session'), OPENING + sources.join(''));
  return start([join(scripts, 'session')], {
    program: 'bash',
    cwd: work,
    env: {
      PATH: `${bin}:${process.env['PATH'] ?? ''}`,
      HOME: folder,
      // Long enough for the next command, and nobody waits for its end: the place takes it down.
      HAUKI_IDLE_MS: '30000',
    },
    msMax: 110_000,
  }).done;
}

describe.concurrent('what is to be typed works', () => {
  for (const path of PATHS) {
    const parts = partsOf(path, textOf(path));
    if (!parts.some(({ text }) => text.trim() !== '')) continue;
    const components = [...new Set(parts.flatMap((part) => part.needs))] as [Component, ...Component[]];
    const { options } = components.length === 0 ? { options: {} } : needs(...components);
    test(`in ${path}`, { ...options, timeout: 120_000 }, async ({ onTestFinished }) => {
      const { code, stdout, stderr } = await session(parts, onTestFinished);
      expect(code, `${path} ended with ${code}:\n${stdout}\n${stderr}`).toBe(0);
    });
  }
});

interface Contract {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly 'x-needs'?: readonly string[] }>>>>;
}

test('the API reference is what a controller says of itself', async () => {
  const own = place();
  await own.controller();
  const { json } = await ask(socketOf(own), 'GET', '/openapi.json');
  const operations = Object.values((json as Contract).paths).flatMap((methods) => Object.values(methods));
  expect(operations.filter(({ 'x-needs': needs = [] }) => needs.length === 0)).toEqual([]);
  expect(operations.length).toBeGreaterThan(40);
  // Otherwise: npm run docs:api
  expect(textOf('docs/api-reference.md')).toBe(apiReference(json));
});

describe('the reader of documents', () => {
  const page = (...lines: string[]): string => lines.join('\n');

  test('finds blocks with their lines, comments and what is around them', () => {
    const text = page('# T', '', '<!-- run -->', '```sh', 'a', '', 'b', '```', '~~~yaml', 'c: 1', '~~~');
    expect(blocksOf('p', text)).toEqual([
      { path: 'p', line: 5, info: 'sh', text: 'a\n\nb', comment: 'run' },
      { path: 'p', line: 10, info: 'yaml', text: 'c: 1', comment: undefined },
    ]);
  });

  test('takes a longer fence, a list and a comment for what they are', () => {
    const text = page(
      '````markdown',
      '```sh',
      'x',
      '```',
      '````',
      '    ```sh',
      '- one',
      '  ```sh',
      '  y',
      '  ```',
      '<!--',
      '```sh',
      'z',
      '```',
      '-->',
    );
    expect(blocksOf('p', text).map(({ info, text: inside }) => [info, inside])).toEqual([
      ['markdown', '```sh\nx\n```'],
      ['sh', 'y'],
    ]);
  });

  test.each([
    ['no mark', page('```sh', 'a', '```'), 'a shell block is run'],
    ['no reason', page('<!-- not run: -->', '```bash', 'a', '```'), 'a shell block is run'],
    ['text between', page('<!-- run -->', 'words', '```sh', 'a', '```'), 'a shell block is run'],
    ['no language', page('```', 'a', '```'), 'a fence says what is in it'],
  ])('refuses a block with %s', (_, text, why) => {
    expect(blocksOf('p', text).map(fault)).toEqual([expect.stringContaining(why)]);
  });

  test('runs what is marked in its order, in one shell, and holds lines to what they say', async () => {
    const text = page(
      '<!-- set up: A=set -->',
      '<!-- run -->',
      '```sh',
      'B=two',
      'echo "$A" \\',
      '  "$B"     # → set two',
      'echo three   # → thr…',
      'false   # exit code 1, always',
      '```',
      '<!-- not run: it would fail -->',
      '```sh',
      'exit 9',
      '```',
    );
    expect(await session(partsOf('p.md', text))).toMatchObject({ code: 0, stderr: '' });
  });

  test.each([
    ['fails', 'true\nfalse', 'failed: p.md:4: false'],
    ['prints something else', 'echo a  # → b', "output: 'a', and not 'b'"],
    ['ends with another code', 'true  # exit code 1', "exit code: '0', and not '1'"],
  ])('tells which line %s', async (_, lines, said) => {
    const { code, stderr } = await session(partsOf('p.md', page('<!-- run -->', '```sh', lines, '```')));
    expect(code).not.toBe(0);
    expect(stderr).toContain(said);
  });
});
