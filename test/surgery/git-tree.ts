import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Files by path: their content, and whether they may be executed. */
export type Files = Readonly<Record<string, { readonly content: Buffer | string; readonly executable?: boolean }>>;

const ENV = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@b',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@b',
};

export function git(cwd: string, args: readonly string[], input?: Buffer): Buffer {
  const stdio = ['pipe', 'pipe', 'pipe'] as const;
  return execFileSync('git', args, { cwd, env: ENV, stdio: [...stdio], ...(input === undefined ? {} : { input }) });
}

export function folder(): string {
  return mkdtempSync(join(tmpdir(), 'hauki surgery '));
}

export function write(root: string, files: Files): void {
  for (const [path, { content, executable }] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content, { mode: executable ? 0o755 : 0o644 });
  }
}

/** Everything below it, with what a diff can change. */
export function read(root: string): Record<string, string> {
  const found = readdirSync(root, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    found
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [
        path.slice(root.length + 1),
        `${lstatSync(path).mode.toString(8)} ${readFileSync(path).toString('latin1')}`,
      ]),
  );
}

/** The diff from one tree to another, as git makes it. */
export function diffOf(before: Files, after: Files, ...options: readonly string[]): Buffer {
  const root = folder();
  try {
    git(root, ['init', '-q', '--template=']);
    mkdirSync(join(root, '.git/info'));
    writeFileSync(join(root, '.git/info/attributes'), '* -text -eol -working-tree-encoding\n');
    write(root, before);
    git(root, ['add', '-Af']);
    git(root, ['commit', '-q', '--allow-empty', '-m', 'before']);
    for (const name of readdirSync(root)) if (name !== '.git') rmSync(join(root, name), { recursive: true });
    write(root, after);
    git(root, ['add', '-Af']);
    return git(root, ['diff', '--cached', '--binary', '-M', '-C', '--find-copies-harder', ...options]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
