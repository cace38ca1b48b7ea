import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import type { Patch } from './patch.ts';

/** What git printed, and how it ended: 0 it fits, 1 it does not, 128 it cannot be read or could not be done. */
export interface Answer {
  readonly code: number;
  readonly stdout: Buffer;
  readonly words: string;
}

/*
 * git decides whether a diff fits, and makes the new files; nobody else's patch program is as exact. It is given a repository of its own,
 * empty and thrown away, because without one it would take the settings, and the attributes, of a repository that happens to lie
 * there: the `.gitattributes` of the dataset could change what is written.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  'core.bare': 'false',
  'core.autocrlf': 'false',
  'core.safecrlf': 'false',
  'core.fileMode': 'true',
  'core.symlinks': 'true',
  'core.protectNTFS': 'true',
  'core.protectHFS': 'true',
  'core.attributesFile': '/dev/null',
  'core.hooksPath': '/dev/null',
  'apply.whitespace': 'nowarn',
  'apply.ignoreWhitespace': 'no',
};
/** Stronger than any `.gitattributes`: bytes stay bytes. */
const ATTRIBUTES = '* -text -eol -crlf -ident -filter -working-tree-encoding -whitespace\n';
const WORDS_MAX = 2000;

/** @param tree the folder that its names are below */
export type Apply = (patch: Patch, tree: string, options: readonly string[], signal?: AbortSignal) => Promise<Answer>;

/** Lends `git apply`, and cleans up behind it. */
export async function withGit<T>(use: (apply: Apply) => Promise<T>): Promise<T> {
  const control = await mkdtemp(join(tmpdir(), 'hauki-surgery-'));
  try {
    // What `git init` makes, as far as git insists on it.
    await mkdir(join(control, 'objects'));
    await mkdir(join(control, 'refs'));
    await mkdir(join(control, 'info'));
    await writeFile(join(control, 'HEAD'), 'ref: refs/heads/none\n');
    await writeFile(join(control, 'config'), '[core]\n\trepositoryformatversion = 0\n');
    await writeFile(join(control, 'info', 'attributes'), ATTRIBUTES);
    return await use((patch, tree, options, signal) => {
      const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      const how = ['--whitespace=nowarn', '--no-ignore-whitespace', `-p${patch.strip}`, ...options, '-'];
      return run([...settings, 'apply', ...how], { cwd: tree, env: environment(control) }, patch.bytes, signal);
    });
  } finally {
    await rm(control, { recursive: true, force: true });
  }
}

/** Nothing of the user's: neither settings nor where git keeps them. */
function environment(control: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    LC_ALL: 'C',
    HOME: control,
    XDG_CONFIG_HOME: control,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_DIR: control,
    // Where it was started: a path would be looked up once more.
    GIT_WORK_TREE: '.',
  };
}

function run(
  args: readonly string[],
  where: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  stdin: Buffer,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', args, { ...where, ...(signal === undefined ? {} : { signal, killSignal: 'SIGKILL' }) });
    const stdout: Buffer[] = [];
    let words = '';
    child.stdout.on('data', (chunk: Buffer) => void stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => (words = (words + chunk.toString()).slice(0, WORDS_MAX)));
    // One that ends without reading it all says so by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    child.once('error', (error: NodeJS.ErrnoException) => reject(error.code === 'ENOENT' ? noGit() : error));
    child.once('close', (code) => resolve({ code: code ?? 128, stdout: Buffer.concat(stdout), words: words.trim() }));
  });
}

function noGit(): RefusedError {
  const hint = 'Install git on this machine (apt-get install git). Nothing was changed.';
  return new RefusedError(refusal('patch_failed', 'A diff is applied by git, which is not installed here.', hint));
}

/** Why git would not apply it: its first words, which name file and line. */
export function reasonOf({ code, words }: Answer): Refusal {
  const said = words
    .replaceAll(/^(?:error|fatal): /gm, '')
    .split('\n')
    .slice(0, 3)
    .join('; ')
    .slice(0, 400);
  return code === 1
    ? refusal('patch_mismatch', `The diff does not fit: ${said}.`)
    : refusal('patch_invalid', `git cannot read the diff: ${said}.`);
}

/** Whether git read in the diff what we did: the same files, in the same order, with as many lines. `numstat` of `git apply --numstat -z`. */
export function readAlike({ touches }: Patch, numstat: Buffer): boolean {
  const ours = touches.map(({ binary, added, removed, path }) =>
    binary ? `-\t-\t${path}\0` : `${added}\t${removed}\t${path}\0`,
  );
  return ours.join('') === numstat.toString('utf8');
}
