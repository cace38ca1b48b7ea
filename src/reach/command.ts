import { isAbsolute } from 'node:path';

import { refusal, type Refusal } from '../base/refusal.ts';
import { type Command, type Ended } from '../ports/reach.ts';
import { MUTATION_VARIABLE } from '../ports/processes.ts';
import { constants } from 'node:os';

/** Marks every process of one run, so that it can be ended wherever it has gone. */
export const RUN_VARIABLE = 'HAUKI_RUN';

/**
 * Marks what carries a command elsewhere (ssh, lxc) with the id of the process that started it. As long as that one is there it ends its
 * command itself, through them: whoever ends the processes of a mutation tells it, and leaves them to it.
 */
export const CARRIER_VARIABLE = 'HAUKI_CARRIER';

/** Ours in the courier's shell (courier.ts), and ours to tell a run by. */
const RESERVED = /^(?:hauki_.*|HAUKI_RUN)$/;

/** @returns why nobody could run this, whatever the context */
export function commandRefusal({ argv, env = {}, cwd }: Command): Refusal | undefined {
  const invalid = (message: string): Refusal => refusal('command_invalid', message);
  const [program = ''] = argv;
  if (program === '') return invalid('There is no program to run.');
  if (program.startsWith('-'))
    return invalid(`${JSON.stringify(program)} would be taken for an option; name the program by its path.`);
  if (cwd !== undefined && !isAbsolute(cwd)) return invalid(`The folder ${JSON.stringify(cwd)} is not absolute.`);
  for (const text of [...argv, ...Object.values(env), cwd ?? '']) {
    if (text.includes('\0')) return invalid(`${shortened(text)} holds a NUL.`);
    if (!text.isWellFormed()) return invalid(`${shortened(text)} is not Unicode.`);
  }
  for (const name of Object.keys(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      return invalid(`${shortened(name)} is no name of an environment variable.`);
    if (RESERVED.test(name)) return invalid(`The environment variable ${name} is hauki's own.`);
  }
  return undefined;
}

/** The environment a command is given on top of a login's. */
export function givenEnvironment({ env = {}, mutation }: Command): Readonly<Record<string, string>> {
  return mutation === undefined ? env : { ...env, [MUTATION_VARIABLE]: mutation };
}

/** Why a command did not begin: the step that failed, and the system's error number. */
export interface Unstarted {
  readonly step: 'folder' | 'program';
  readonly errno: number;
}

export function unstartable(context: string, { argv, cwd = '' }: Command, { step, errno }: Unstarted): Refusal {
  const name = Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `error ${errno}`;
  const on = `on ${context}`;
  const evidence = { step, errno: name };
  const say = (message: string, hint?: string): Refusal => refusal('command_unstartable', message, hint, evidence);
  if (step === 'folder') return say(`The folder ${shortened(cwd)} cannot be entered ${on} (${name}).`);
  const program = shortened(argv[0] ?? '');
  switch (name) {
    case 'ENOENT':
      return say(`The program ${program} is not there ${on}.`);
    case 'EACCES':
      return say(`The program ${program} cannot be executed ${on}.`);
    case 'E2BIG':
      return say(
        `Arguments and environment are too long for ${on === 'on local' ? 'this host' : context}.`,
        'Pass them by stdin or a file. Nothing was executed.',
      );
    default:
      return say(`The program ${program} cannot be started ${on} (${name}).`);
  }
}

/** @param number of the signal; 15 is code 143 and `SIGTERM` */
export function endedBySignal(number: number): Ended {
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  const code = 128 + number;
  return name === undefined ? { code } : { code, signal: name as NodeJS.Signals };
}

/** For messages: quoted, and never a screenful. */
export function shortened(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** Of our own environment, the variables that are named. */
export function ownEnvironment(named: RegExp): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value !== undefined && named.test(name) ? [[name, value]] : [],
    ),
  );
}
