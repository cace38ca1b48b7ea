import { spawn } from 'node:child_process';

/** How a program ended. Whoever asked judges: this module knows no failures except that a program could not be started. */
export interface Ran {
  /** The exit code, or null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface RunOptions {
  /** Ends the program (SIGKILL) and rejects, e.g. `AbortSignal.timeout(ms)`. */
  readonly signal?: AbortSignal;
  /** Where it starts; else where this process is. */
  readonly cwd?: string;
  /** What it reads; else nothing. */
  readonly stdin?: Buffer;
  /** Environment variables besides our own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Takes stdout piece by piece; `stdout` of the result is empty then. */
  readonly onStdout?: (chunk: Buffer) => void;
}

/**
 * Runs a program by its argument vector, never through a shell. Its words are English (LC_ALL=C), so that they can be read
 * by a parser, and bytes stay bytes.
 *
 * @throws when the program cannot be started (ENOENT: it is not installed), its time is up, or `onStdout` throws
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env, LC_ALL: 'C' },
      ...(options.signal === undefined ? {} : { signal: options.signal, killSignal: 'SIGKILL' }),
    });
    // First: without descriptors there are no pipes either, and an error that nobody hears ends the process.
    child.on('error', reject);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const take = options.onStdout ?? ((chunk: Buffer) => void stdout.push(chunk));
    child.stdout.on('data', (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        // Thrown out of here it would end this process.
        child.stdout.destroy();
        child.kill('SIGKILL');
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    child.stderr.on('data', (chunk: Buffer) => void stderr.push(chunk));
    // One that ends without reading it all says so by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.stdin);
    child.on('close', (code, signal) =>
      resolve({ code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) }),
    );
  });
}
