import { spawn, type StdioOptions } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';

/** How a command ended. */
export interface Ended {
  /** What a shell would report: its own code, 128+n for a signal, 127 not found, 126 not executable. */
  readonly code: number;
  readonly signal?: NodeJS.Signals;
  /** Why it never ran. */
  readonly error?: string;
}

export interface ForegroundOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly stdio: StdioOptions;
}

/** Signals that are meant for the command, not for the program that runs it. */
const PASSED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];
/** A terminal sends these to its whole foreground group: the command has them already. */
const FROM_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT']);
/** After so long a command that is still there has not had the signal from its terminal. */
const TERMINAL_MS = 2_000;

/**
 * Runs a command as a shell would in the foreground: same terminal, same process group, its standard streams untouched, signals
 * passed on. By argument vector; no shell is involved.
 */
export function runForeground(argv: readonly [string, ...string[]], options: ForegroundOptions): Promise<Ended> {
  const [program, ...args] = argv;
  return new Promise((resolve) => {
    const forward = (signal: NodeJS.Signals): void => {
      if (!FROM_TERMINAL.has(signal) || !isatty(0)) child.kill(signal);
      else setTimeout(() => child.kill(signal), TERMINAL_MS).unref();
    };
    // Before the command can be seen by whoever sends one.
    for (const signal of PASSED) process.on(signal, forward);
    // The first time anything asks for process.stderr, as each closing socket of Node's does, a pipe there becomes non-blocking, and
    // the command would lose what it writes. Starting the command undoes that, so it has to have happened before.
    void process.stderr;
    const child = spawn(program, args, { stdio: options.stdio, env: options.env });
    const end = (ended: Ended): void => {
      for (const signal of PASSED) process.off(signal, forward);
      resolve(ended);
    };
    child.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'ENOENT' ? 127 : 126;
      end({
        code,
        error: `${program}: ${code === 127 ? 'not found' : `cannot be executed (${error.code ?? error.message})`}`,
      });
    });
    child.once('exit', (code, signal) => {
      if (signal === null) end({ code: code ?? 1 });
      else end({ code: 128 + constants.signals[signal], signal });
    });
  });
}
