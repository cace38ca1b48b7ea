import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { CODES } from '../../src/base/codes.ts';
import { needs } from '../needs.ts';
import { completer } from './completing.ts';
import { openPlace, type Place, ROOT } from './place.ts';

/* What hauki tells of itself: the manual, docs/cli.md, completions, error codes. */

const PAGES = join(ROOT, 'dist/man');
let place: Place;
beforeAll(() => {
  place = openPlace();
});
afterAll(() => place.close());

describe('the manual', () => {
  test('docs/cli.md is what the program says of itself; "npm run reference" writes it anew', async () => {
    const { stdout, code } = await place.run(['man', '--markdown']);
    expect(code).toBe(0);
    expect(readFileSync(join(ROOT, 'docs/cli.md'), 'utf8')).toBe(stdout);
  });

  test('has a page for each command, the same that "hauki man" prints', async () => {
    const { stdout } = await place.run(['--help']);
    const listed = stdout
      .split(/^Commands:$/m)[1]
      ?.split('\n')
      .flatMap((line) => /^ {2}([a-z]+)/.exec(line)?.[1] ?? [])
      .filter((name) => name !== 'help');
    expect(readdirSync(PAGES).toSorted()).toEqual(
      ['hauki.1', ...(listed ?? []).map((name) => `hauki-${name}.1`)].toSorted(),
    );
    const { stdout: page } = await place.run(['man', 'guard']);
    expect(page).toBe(readFileSync(join(PAGES, 'hauki-guard.1'), 'utf8'));
    // Both ways of exec.
    const exec = (await place.run(['man', 'exec'])).stdout;
    for (const words of ['<file>', '<command...>', '\\-\\-undo\\-all', '\\-\\-cwd']) expect(exec).toContain(words);
    const wrong = await place.run(['man', 'nothing']);
    expect(wrong.code).toBe(64);
    expect(wrong.stderr).toContain('(usage)');
  });

  needs('mandoc').describe('as mandoc reads it', () => {
    test('has no mistakes', () => {
      const files = readdirSync(PAGES).map((name) => join(PAGES, name));
      const { stdout } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', ...files], { encoding: 'utf8' });
      // No date, so that the same source makes the same page.
      expect(stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual([]);
    });
  });
});

describe('completions', () => {
  const EXPECTED: readonly (readonly [line: string, offered: readonly string[]])[] = [
    ['hauki gu', ['guard']],
    ['hauki webhook ', ['add', 'dead', 'list', 'remove', 'retry']],
    ['hauki webhook add --ty', ['--type']],
    ['hauki log --outcome c', ['cancelled', 'cleared', 'committed']],
    ['hauki explain lock', ['lock_timeout']],
    ['hauki explain --json lock', ['lock_timeout']],
    ['hauki completion ', ['bash', 'fish', 'zsh']],
    ['hauki task drop crm LIC', ['LICENSE']],
    ['hauki exec --undo', ['--undo-all']],
    ['hauki guard --path sr', ['src']],
    ['hauki guard --path src -- systemctl-of-', []],
    ['hauki guard --path src -- sha256su', ['sha256sum']],
    ['hauki man webh', ['webhook']],
  ];
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const program = { bash: 'bash', zsh: 'zsh', fish: 'fish' } as const;
    needs(program[shell]).describe(shell, () => {
      test('offers what the help knows', async () => {
        const { stdout, code } = await place.run(['completion', shell]);
        expect(code).toBe(0);
        const offered = completer(shell, stdout, place.folder)(EXPECTED.map(([line]) => line));
        // Some shells mark folders.
        const plain = offered.map((words) => [...new Set(words.map((word) => word.replace(/\/$/, '')))].toSorted());
        expect(EXPECTED.map(([line], index) => [line, plain[index]])).toEqual(EXPECTED);
      });
    });
  }
});

describe('explain', () => {
  test('lists every code, and tells of each', async () => {
    const all = JSON.parse((await place.run(['explain', '--json'])).stdout) as { code: string; meaning: string }[];
    expect(all.map(({ code }) => code).toSorted()).toEqual(Object.keys(CODES).toSorted());
    const { stdout } = await place.run(['explain', 'lock_timeout']);
    expect(stdout).toMatch(/^code +lock_timeout {2}Not now\nmeaning +The wait was over/);
    expect(stdout).toContain('75, denied or unreachable');
  });

  test('knows exit codes, and what a wrong code might have meant', async () => {
    expect((await place.run(['explain', '75'])).stdout).toMatch(/^exit code 75: denied or unreachable.*\n\nCODE/);
    const wrong = await place.run(['explain', 'timeout_lock']);
    expect(wrong.code).toBe(64);
    expect(wrong.stderr).toMatch(/no error code "timeout_lock"\. \(usage\)\nhauki: Did you mean .*lock_timeout/);
  });
});

test('help whose reader goes away is no mistake', async () => {
  const { code, stderr } = await place.run(['-c', `'${ROOT}/hauki' --help | head -n 1`], { program: 'sh' });
  expect([code, stderr]).toEqual([0, '']);
});
