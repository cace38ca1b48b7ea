import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** sbin is where mke2fs lives, and is not on everybody's PATH. */
const PATH = [process.env['PATH'] ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter);

/** Ends with the lab, however that ends: the kernel sends this signal when the process that started it is gone. */
const LEASH = ['setpriv', '--pdeathsig'];

export function say(text: string): void {
  process.stdout.write(`lab: ${text}\n`);
}

/** Whether a program is there to be run. */
export function hasProgram(name: string): boolean {
  return PATH.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Starts a program of the host that goes on. It is the leader of a group of its own, so a Ctrl-C at the terminal reaches
 * only the lab, which then ends things in order; and it dies with the lab.
 *
 * @param log what it says goes there
 */
export function startHost(argv: readonly string[], log: string): ChildProcess {
  const file = openSync(log, 'a');
  const [command = '', ...args] = [...LEASH, 'KILL', ...argv];
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', file, file],
    env: { ...process.env, PATH },
  });
  closeSync(file);
  return child;
}

export interface HostOptions {
  /** Ends it, with all its descendants. */
  readonly stop: AbortSignal;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** File for what it says, appended. */
  readonly log?: string;
}

/**
 * Runs a program of the host to its end.
 *
 * @returns its stdout, unless that goes to a log
 * @throws when it ends with anything but 0, with the end of what it said; or when it is stopped
 */
export function runHost(argv: readonly string[], options: HostOptions): Promise<string> {
  const { stop, cwd, env, log } = options;
  const [command = '', ...args] = [...LEASH, 'TERM', ...argv];
  return new Promise((resolve, reject) => {
    stop.throwIfAborted();
    const file = log === undefined ? 'pipe' : openSync(log, 'a');
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', file, file],
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, LC_ALL: 'C.UTF-8', ...env, PATH },
    });
    if (file !== 'pipe') closeSync(file);
    let [stdout, said] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      said = (said + text).slice(-4_000);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => void (said = (said + text).slice(-4_000)));
    const end = (): void => killGroup(child, 'SIGTERM');
    stop.addEventListener('abort', end, { once: true });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      stop.removeEventListener('abort', end);
      if (stop.aborted) reject(stop.reason as Error);
      else if (code === 0) resolve(stdout);
      else
        reject(
          new Error(`${argv[0] ?? ''} ended with ${signal ?? `exit code ${code ?? '?'}`}: ${said || (log ?? '')}`),
        );
    });
  });
}

/** Sends a signal to a process that was started here, and to all it started in its group. */
export function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/**
 * Does something that takes a while: says that it begins, that it is still at it, and how long it took.
 *
 * @param name in the form "building the image"
 */
export async function longWork<T>(name: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  const seconds = (): string => ((performance.now() - begun) / 1000).toFixed(1);
  say(`${name} …`);
  const ticker = setInterval(() => say(`still ${name} (${seconds()} s)`), 30_000);
  try {
    const result = await work();
    say(`${name}: done in ${seconds()} s`);
    return result;
  } finally {
    clearInterval(ticker);
  }
}
