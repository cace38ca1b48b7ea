import { type ChildProcess, spawn } from 'node:child_process';

import { leash } from './leash.ts';

/** Programs and their arguments; no shell reads them. */
export type Argv = readonly [string, ...string[]];

export interface Limits {
  /** Ms, after which it is ended. */
  readonly withinMs: number;
  /** Ends it before that. */
  readonly signal?: AbortSignal;
  /** On top of this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** It ends, with all it started, when this process dies; where it runs on this host. */
  readonly leashed?: boolean;
}

/** How a program ended: `why` is there when it did not do what it should, in words for people. */
export interface Done {
  readonly why?: string;
  /** What it printed, the first 64 KiB. */
  readonly stdout: string;
}

/** Runs a program where the node is: on this host, or in the container it speaks for. Never rejects. */
export type Run = (argv: Argv, limits: Limits) => Promise<Done>;

/** Between asking a group of processes to end and ending it, ms; and between that and no longer waiting for it. */
const POLITE_MS = 500;
/** Of what it says, the end is told; chars. */
const WORDS_MAX = 300;
const STDOUT_MAX = 64 * 1024;

/**
 * On this host, as a process group of its own: when its time is up, all that it started goes with it. A process that the kernel does
 * not let go of (a file system that hangs) is not waited for.
 */
export const runHere: Run = ([program, ...args], { withinMs, signal, env, leashed = false }) =>
  new Promise((resolve) => {
    const begun = performance.now();
    if (signal?.aborted === true) return resolve({ why: 'called off', stdout: '' });
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const unleash = leashed && child.pid !== undefined ? leash(child.pid) : undefined;
    let stdout = '';
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => (stdout = (stdout + String(chunk)).slice(0, STDOUT_MAX)));
    child.stderr?.on('data', (chunk: Buffer) => (said = (said + String(chunk)).slice(-WORDS_MAX)));

    let ending: string | undefined;
    const timers: NodeJS.Timeout[] = [];
    const finish = (why: string | undefined): void => {
      for (const timer of timers) clearTimeout(timer);
      signal?.removeEventListener('abort', callOff);
      unleash?.();
      // Something it left in the background may hold them open.
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve({ stdout, ...(why === undefined ? {} : { why: `${program} ${why}${tail(said)}` }) });
    };
    const end = (why: string): void => {
      if (ending !== undefined) return;
      ending = why;
      killGroup(child, 'SIGTERM');
      timers.push(setTimeout(() => killGroup(child, 'SIGKILL'), POLITE_MS));
      timers.push(setTimeout(() => finish(`${why}, and could not be killed`), POLITE_MS * 2));
    };
    const callOff = (): void => end('was called off');
    signal?.addEventListener('abort', callOff, { once: true });
    timers.push(setTimeout(() => end(`did not end within ${withinMs} ms and was killed`), withinMs));
    child.once('error', (error) => finish(`could not be started: ${error.message}`));
    child.once('exit', (code, killed) => {
      // One of the group may have ignored what ended the first.
      if (ending !== undefined) killGroup(child, 'SIGKILL');
      if (ending !== undefined) return finish(ending);
      if (code === 0) return finish(undefined);
      const ms = Math.round(performance.now() - begun);
      finish(killed === null ? `ended with code ${code} after ${ms} ms` : `was ended by ${killed}`);
    });
  });

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // Nobody is left in it.
  }
}

function tail(said: string): string {
  const words = said.trim().replaceAll(/\s+/g, ' ');
  return words === '' ? '' : `: ${words}`;
}
