import { type ChildProcessWithoutNullStreams, spawn, type SpawnOptionsWithoutStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import { access, constants as MAY_ENTER } from 'node:fs/promises';

import type { Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Command, Ended, Reach } from '../../ports/reach.ts';
import {
  commandRefusal,
  endedBySignal,
  givenEnvironment,
  ownEnvironment,
  RUN_VARIABLE,
  unstartable,
} from '../command.ts';
import { filesOver } from '../files.ts';
import { feed, flow } from '../flow.ts';
import { halted, haltOf, neverBegun, stopped, unstopped } from '../halt.ts';
import { endMarked, localProcesses, type LocalProcessesOptions } from './processes.ts';

/** What a login on this host would have; everything else of ours is nobody's business. */
const LOGIN = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|TZ|TMPDIR)$/;
const NAME = 'local';

/** This host: commands are children of this process. */
export function localReach(options: LocalProcessesOptions = {}): Reach {
  const run = (command: Command): Promise<Result<Ended, Refusal>> => runHere(command, options);
  return {
    name: NAME,
    check: () => Promise.resolve(ok(undefined)),
    run,
    ...localProcesses(options),
    ...filesOver(NAME, run),
  };
}

async function runHere(command: Command, options: LocalProcessesOptions): Promise<Result<Ended, Refusal>> {
  const invalid = commandRefusal(command);
  if (invalid !== undefined) return err(invalid);
  const { argv, cwd } = command;
  const [program = '', ...args] = argv;
  // A spawn that fails does not say whether it was the folder or the program.
  const folder =
    cwd === undefined ? undefined : await access(`${cwd}/.`, MAY_ENTER.X_OK).then(() => undefined, errnoOf);
  if (folder !== undefined) return err(unstartable(NAME, command, { step: 'folder', errno: folder }));

  const halt = haltOf(command);
  if (halt.signal.aborted) return err(neverBegun(NAME, halt));
  const run = randomBytes(16).toString('hex');
  const child = begin(program, args, {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...ownEnvironment(LOGIN), ...givenEnvironment(command), [RUN_VARIABLE]: run },
  });
  if (child instanceof Error) {
    halt.forget();
    return err(unstartable(NAME, command, { step: 'program', errno: errnoOf(child) }));
  }
  const all = (chunk: Buffer): { pieces: readonly Buffer[]; last: boolean } => ({ pieces: [chunk], last: false });
  const flows = [flow(child.stdout, command.stdout, all), flow(child.stderr, command.stderr, all)];
  void flows[0]?.done.then((how) => {
    if (how === 'unwanted') halt.because('nobody takes its output any more');
  });
  const starve = feed(child.stdin, command.stdin);
  const end = new Promise<Ended | NodeJS.ErrnoException>((resolve) => {
    child.once('error', resolve);
    child.once('exit', (code, signal) => resolve(signal === null ? { code: code ?? 1 } : bySignal(signal)));
  });
  try {
    const first = await Promise.race([end, halted(halt)]);
    if (first instanceof Error) return err(unstartable(NAME, command, { step: 'program', errno: errnoOf(first) }));
    if (first === 'halted') {
      const gone = await endMarked(`${RUN_VARIABLE}=${run}`, options);
      if (!gone.ok) return err(unstopped(NAME, halt, gone.error));
    }
    const ended = await end;
    await Promise.all(flows.map(({ settle }) => settle()));
    if (ended instanceof Error || first === 'halted')
      return err(stopped(NAME, halt, ended instanceof Error ? undefined : ended));
    return ok(ended);
  } finally {
    halt.forget();
    starve();
  }
}

/** Node throws some of what can go wrong, and tells the rest by an event. */
function begin(
  program: string,
  args: readonly string[],
  options: SpawnOptionsWithoutStdio,
): ChildProcessWithoutNullStreams | NodeJS.ErrnoException {
  try {
    const child = spawn(program, args, options);
    // Without descriptors there are no pipes either, and an error that nobody hears ends the process.
    child.on('error', () => undefined);
    const { stdin } = child as { readonly stdin?: unknown };
    if (stdin === undefined || stdin === null)
      return Object.assign(new Error('no pipes'), { errno: constants.errno.EMFILE });
    return child;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

function bySignal(signal: NodeJS.Signals): Ended {
  return endedBySignal(constants.signals[signal]);
}

function errnoOf(error: NodeJS.ErrnoException): number {
  return Math.abs(error.errno ?? 0);
}
