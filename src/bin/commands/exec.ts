import { resolve } from 'node:path';

import { parseDuration } from '../../base/duration.ts';
import { refusal, RefusedError } from '../../base/refusal.ts';
import { MUTATION_VARIABLE } from '../../ports/processes.ts';
import { ownEnvironment } from '../../reach/command.ts';
import { exitCodeOf, printJson, printRefusal } from '../output.ts';
import { openReach } from '../reach.ts';

export interface ExecOptions {
  readonly via?: string;
  readonly cwd?: string;
  readonly env?: readonly string[];
  readonly timeout?: string;
  readonly knownHosts?: string;
  readonly identity?: string;
  readonly sshConfig?: string;
  readonly json?: boolean;
}

const ENDING: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
/** 128 + SIGPIPE. */
const EXIT_UNREAD = 141;
/** What a guard tells its command, and the trace it is part of; who works elsewhere is to know it there too. */
const OF_A_GUARD = /^(HAUKI_(FENCE|SNAPSHOT|INTENT)|TRACEPARENT)$/;

/** `hauki exec`: runs a command in the place it is meant for. @returns its exit code, or that of a refusal */
export async function exec(argv: readonly string[], options: ExecOptions): Promise<number> {
  const { via, cwd, timeout, json = false, knownHosts, identity, sshConfig } = options;
  if (via === undefined)
    throw usage('There is no --via.', 'Name the place: --via local, lxd:NAME, incus:NAME or ssh:[USER@]HOST[:PORT].');
  const opened = openReach(via, {
    ...(knownHosts === undefined ? {} : { knownHosts }),
    ...(identity === undefined ? {} : { identity }),
    ...(sshConfig === undefined ? {} : { config: sshConfig }),
  });
  if (!opened.ok) throw new RefusedError(opened.error);
  const reach = opened.value;

  const abort = new AbortController();
  let stoppedBy: NodeJS.Signals | undefined;
  for (const signal of Object.keys(ENDING) as NodeJS.Signals[]) {
    process.on(signal, () => {
      stoppedBy ??= signal;
      abort.abort();
    });
  }
  // A reader that goes away ends the command (flow.ts); it must not end us before that.
  let unread = false;
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => (unread = true));
  const mutation = process.env[MUTATION_VARIABLE];
  const ran = await reach.run({
    argv,
    env: { ...ownEnvironment(OF_A_GUARD), ...environment(options.env ?? []) },
    ...(cwd === undefined ? {} : { cwd: via === 'local' ? resolve(cwd) : cwd }),
    ...(timeout === undefined ? {} : { timeoutMs: milliseconds(timeout) }),
    ...(mutation === undefined ? {} : { mutation }),
    stdin: process.stdin,
    // With --json, stdout belongs to the one document.
    stdout: json ? process.stderr : process.stdout,
    stderr: process.stderr,
    signal: abort.signal,
  });
  if (ran.ok) {
    const { code, signal } = ran.value;
    if (json)
      printJson({ status: 'ended', context: reach.name, exitCode: code, ...(signal === undefined ? {} : { signal }) });
    return code;
  }
  const ended = ran.error.code === 'command_stopped';
  // As everybody does who writes to a pipe that nobody reads: without a word.
  if (ended && unread && stoppedBy === undefined) return EXIT_UNREAD;
  printRefusal(ran.error, json);
  const asked = stoppedBy === undefined ? undefined : ENDING[stoppedBy];
  return ended && asked !== undefined ? asked : exitCodeOf(new RefusedError(ran.error));
}

function environment(settings: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    settings.map((setting) => {
      const at = setting.indexOf('=');
      // Its value may be a secret, and is not repeated.
      if (at < 1) throw usage('An --env has no name and value.', 'For example: --env LEVEL=debug');
      return [setting.slice(0, at), setting.slice(at + 1)];
    }),
  );
}

function milliseconds(text: string): number {
  const parsed = parseDuration(text);
  if (!parsed.ok) throw new RefusedError(parsed.error);
  return parsed.value;
}

function usage(message: string, hint: string): RefusedError {
  return new RefusedError(refusal('usage', message, hint));
}
