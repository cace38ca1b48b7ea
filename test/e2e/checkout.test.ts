import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/* The way from a checkout to a running command: scripts/setup.mjs, scripts/build.mjs and the launcher, on a small copy. */

const ROOT = join(import.meta.dirname, '../..');

let folder = '';
let root = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-checkout-'));
  root = join(folder, 'a folder with spaces');
  mkdirSync(root);
  const scripts = ['setup', 'build', 'build-web', 'notices', 'place'].map((name) => `scripts/${name}.mjs`);
  for (const path of ['hauki', 'docs/errors.md', 'package.json', 'package-lock.json', ...scripts])
    cpSync(join(ROOT, path), join(root, path));
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  source('src/bin/hauki.ts', "void import('../say.ts').then(({ say }) => say(process.argv.slice(2)));\n");
  source('src/bin/library.ts', 'export const connect = 1;\n');
  source('src/say.ts', 'export function say(words: string[]): void {\n  console.log(words.join("|"));\n}\n');
  source('web/index.html', '<!doctype html><title>a page</title><script type="module" src="/main.tsx"></script>\n');
  source('web/main.tsx', "document.body.title = 'built';\n");
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('set-up', () => {
  test('builds once, says so on stderr, and has nothing to say the second time', async () => {
    const first = await setUp();
    expect(first).toMatchObject({ code: 0, stdout: '' });
    expect(first.stderr).toMatch(/^setup: building …\nsetup: building: done in [\d.]+ s\n$/);
    expect(await setUp()).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('builds again when a source has changed, and keeps the chunks a running process may still load', async () => {
    await setUp();
    const before = readdirSync(join(root, 'dist/chunks'));
    source('src/say.ts', 'export function say(): void {\n  console.log("changed");\n}\n');
    await setUp();
    expect(await run('sh', [join(root, 'hauki')])).toMatchObject({ code: 0, stdout: 'changed\n' });
    expect(readdirSync(join(root, 'dist/chunks'))).toEqual(expect.arrayContaining(before));
  });

  test('builds the page, and again when it has changed', async () => {
    await setUp();
    const page = () => readFileSync(join(root, 'dist/web/index.html'), 'utf8');
    const [, asset = ''] = /src="(\/assets\/[^"]+\.js)"/.exec(page()) ?? [];
    expect(readFileSync(join(root, 'dist/web', asset), 'utf8')).toContain('built');
    source('web/main.tsx', "document.body.title = 'anew';\n");
    await setUp();
    expect(page()).not.toContain(asset);
    // For a page that is open in somebody's browser.
    expect(existsSync(join(root, 'dist/web', asset))).toBe(true);
  });

  test('two at once do the work once', async () => {
    const both = await Promise.all([setUp(), setUp()]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(both.filter(({ stderr }) => stderr.includes('building …'))).toHaveLength(1);
    expect(readdirSync(root).filter((name) => name.startsWith('.setup'))).toEqual([]);
  });

  test('a lock whose owner is dead does not stop it', async () => {
    // This process's id with another start time: a process id that was given away again.
    source(`.setup.lock/${process.pid}-1`, '');
    expect(await setUp()).toMatchObject({ code: 0 });
    expect(existsSync(join(root, '.setup.lock'))).toBe(false);
  });

  test('a source that cannot be built is named, and the last good build stays', async () => {
    await setUp();
    const good = readFileSync(join(root, 'dist/hauki.cjs'), 'utf8');
    source('src/say.ts', 'export function say( {\n');
    const { code, stderr } = await setUp();
    expect(code).toBe(1);
    expect(stderr).toContain('src/say.ts');
    expect(readFileSync(join(root, 'dist/hauki.cjs'), 'utf8')).toBe(good);
  });
});

describe('launcher', () => {
  test('sets up when nothing is built, with the command alone on stdout', async () => {
    const { code, stdout, stderr } = await run(join(root, 'hauki'), ['one word', '*']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'one word|*\n' });
    expect(stderr).toContain('setup: building');
  });

  test('runs through symlinks, relative and absolute, and from any folder', async () => {
    await setUp();
    symlinkSync(join(root, 'hauki'), join(folder, 'absolute'));
    symlinkSync('absolute', join(folder, 'relative'));
    expect(await run(join(folder, 'relative'), ['a'])).toMatchObject({ code: 0, stdout: 'a\n' });
    expect(await run('./relative', ['b'])).toMatchObject({ code: 0, stdout: 'b\n' });
    expect(await run('sh', ['relative', 'c'])).toMatchObject({ code: 0, stdout: 'c\n' });
  });

  test('starts no process but Node', async () => {
    await setUp();
    // A PATH with nothing on it but node: any other program would not be found.
    const path = join(folder, 'bin');
    mkdirSync(path);
    symlinkSync(process.execPath, join(path, 'node'));
    expect(await run(join(root, 'hauki'), ['x'], { PATH: path })).toEqual({ code: 0, stdout: 'x\n', stderr: '' });
  });

  test('says what is missing when there is no Node', async () => {
    const { code, stderr } = await run(join(root, 'hauki'), [], { PATH: join(folder, 'nowhere') });
    expect(code).toBe(127);
    expect(stderr).toMatch(/^hauki: Node\.js .* is needed/);
  });
});

function source(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function setUp() {
  return run(process.execPath, [join(root, 'scripts/setup.mjs')]);
}

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

// The copy shares node_modules with this checkout, so nothing here may ever install: npm is not to be found.
const ENV = { ...process.env, npm_execpath: '/nonexistent/npm-cli.js' };

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = ENV): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
