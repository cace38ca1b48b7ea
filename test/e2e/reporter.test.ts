import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/* What vitest says at its end through test/reporter.ts, and what test/needs.ts makes of a machine that lacks something. */

const ROOT = join(import.meta.dirname, '../..');

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-reporter-'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const reporter = JSON.stringify(join(ROOT, 'test/reporter.ts'));
  write('vitest.config.mjs', `export default { test: { include: ['*.ts'], reporters: ['default', ${reporter}] } };`);
  write('passes.ts', "import { test } from 'vitest';\ntest('a', () => {});\ntest('b', () => {});\n");
  write(
    'skips.ts',
    `import { describe, test } from 'vitest';
     import { needs } from ${JSON.stringify(join(ROOT, 'test/needs.ts'))};
     needs('curl').describe('fetching', () => { describe('a page', () => { test('works', () => {}); }); });
     test('c', (context) => { context.skip('not today'); });
     test.todo('d');`,
  );
  write('fails.ts', "import { test } from 'vitest';\ntest('e', () => { throw new Error('e'); });\n");
  write(
    'flaky.ts',
    `import { test } from 'vitest';
     for (const name of 'uvwxyz') {
       let tries = 0;
       test(name, { retry: 1 }, () => { tries += 1; if (tries === 1) throw new Error('a race'); });
     }`,
  );
  write('breaks.ts', "throw new Error('cannot be loaded');\n");
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('the closing line', () => {
  test('stands alone and last', () => {
    expect(vitest('passes.ts')).toEqual({ code: 0, end: ['', '2 passed, 0 failed, 0 skipped'] });
  });

  test('comes after every skipped test with its reason', () => {
    // No PATH: whatever program is needed, it is missing.
    expect(vitest('skips.ts')).toEqual({
      code: 0,
      end: [
        '',
        'skipped: skips.ts > fetching > a page > works: needs curl: curl is not installed; apt-get install curl',
        'skipped: skips.ts > c: not today',
        'skipped: skips.ts > d: still to be written',
        '0 passed, 0 failed, 3 skipped',
      ],
    });
  });

  test('counts a file that cannot be loaded as a failure', () => {
    const { code, end } = vitest('fails.ts', 'breaks.ts');
    expect({ code, last: end.at(-1) }).toEqual({ code: 1, last: '0 passed, 2 failed, 0 skipped' });
  });
});

describe('a test that passes when it is tried again', () => {
  test('is named with why it failed at first', () => {
    expect(vitest('flaky.ts', '-t', 'w')).toEqual({
      code: 0,
      end: ['', 'passed when tried again: flaky.ts > w: a race', '1 passed, 0 failed, 5 skipped'],
    });
  });

  test('is one too many, after five', () => {
    const { code, end } = vitest('flaky.ts');
    expect(code).toBe(1);
    expect(end.slice(-2)).toEqual([
      '6 tests had to be tried again, and 5 may: a failure.',
      '6 passed, 0 failed, 0 skipped',
    ]);
  });
});

describe('under CI=true', () => {
  test('a missing component is a failure', () => {
    const { code, end } = vitestIn({ CI: 'true' }, 'skips.ts');
    expect({ code, last: end.at(-1) }).toEqual({ code: 1, last: '0 passed, 1 failed, 0 skipped' });
  });

  test('a skip for any other reason is a failure too', () => {
    write('leaves-out.ts', "import { test } from 'vitest';\ntest('a', () => {});\ntest.skip('b', () => {});\n");
    const { code, end } = vitestIn({ CI: 'true' }, 'leaves-out.ts');
    expect(code).toBe(1);
    expect(end.slice(-2)).toEqual(['CI=true: a skipped test is a failure.', '1 passed, 0 failed, 1 skipped']);
  });
});

function write(path: string, text: string): void {
  writeFileSync(join(folder, path), text);
}

function vitest(...files: readonly string[]) {
  return vitestIn({}, ...files);
}

/** The exit code, and what was printed from the last empty line on. */
function vitestIn(
  env: NodeJS.ProcessEnv,
  ...files: readonly string[]
): { code: number | null; end: readonly string[] } {
  const args = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', ...files];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8' });
  const lines = stdout.trimEnd().split('\n');
  return { code: status, end: lines.slice(lines.lastIndexOf('')) };
}
