import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

/** How a short program ended. `code` is null when a signal ended it, `missing` when there is no such program. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly missing?: true;
}

export interface RunOptions {
  /** What it reads: keys travel this way, never by its arguments or its environment. */
  readonly input?: string;
  /** After so long it is killed, and soon after that not waited for any more, ms. */
  readonly withinMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** A file that takes both streams instead of pipes; it is in `stdout` afterwards. What serves a mount must not lose its reader. */
  readonly into?: string;
}

const KEPT_MAX = 8 * 1024 * 1024;
/** What is killed ends by then, or waits in the kernel for a server that hangs, and no signal reaches it. */
const KILLED_MS = 500;

/** Runs a program to its end. No shell reads the words. Never rejects. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { input = '', withinMs, env, into } = options;
  const file = into === undefined ? undefined : openSync(into, 'w', 0o600);
  const ran = await new Promise<Ran>((resolve) => {
    const output = file ?? 'pipe';
    const child = spawn(program, args, { stdio: ['pipe', output, output], env: ownEnvironment(env) });
    const said = { stdout: '', stderr: '' };
    child.stdout?.on('data', (chunk: Buffer) => (said.stdout = (said.stdout + String(chunk)).slice(-KEPT_MAX)));
    child.stderr?.on('data', (chunk: Buffer) => (said.stderr = (said.stderr + String(chunk)).slice(-KEPT_MAX)));
    // It may end without reading.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    const giveUp = (): void => {
      child.unref();
      for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe?.destroy();
      resolve({ code: null, ...said });
    };
    const kill = (): void => {
      child.kill('SIGKILL');
      limit = setTimeout(giveUp, KILLED_MS);
    };
    let limit = withinMs === undefined ? undefined : setTimeout(kill, withinMs);
    child.once('error', (error) => {
      clearTimeout(limit);
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      resolve({ code: null, stdout: '', stderr: error.message, ...(missing ? { missing } : {}) });
    });
    child.once('close', (code) => {
      clearTimeout(limit);
      resolve({ code, ...said });
    });
  });
  if (file === undefined || into === undefined) return ran;
  closeSync(file);
  return { ...ran, stdout: readFileSync(into, 'utf8') };
}

/** What gocryptfs and sshfs need of ours, and no more: whatever else stands there is not for them. */
export function ownEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = ['PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'SSH_AUTH_SOCK', 'KRB5CCNAME'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), LC_ALL: 'C.UTF-8', ...more };
}
