import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { bindable } from '../../src/bin/home.ts';
import { Client } from '../../src/client/client.ts';
import type { MutationDetail, MutationList } from '../../src/wire/http.ts';
import { until } from '../until.ts';

export const ROOT = join(import.meta.dirname, '../..');
const HAUKI = join(ROOT, 'hauki');

/** Marks every process that comes from a place, so that whatever outlives a test is found. */
const MARK = 'HAUKI_TEST_PLACE';

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What stood on stdout and stderr, byte for byte. */
  readonly bytes: { readonly stdout: Buffer; readonly stderr: Buffer };
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** What it reads; 'open': nothing yet, the test writes it. */
  readonly input?: string | Buffer;
  /** After so long it is killed, and the test fails for it. */
  readonly msMax?: number;
  /** Another program than hauki. */
  readonly program?: string;
  readonly stdio?: StdioOptions;
  readonly detached?: boolean;
}

/** A process that was started and goes on. */
export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly done: Promise<Outcome>;
}

/** A HAUKI_HOME and a directory to guard, both in a folder of their own, and all the processes that belong to them. */
export interface Place {
  readonly folder: string;
  readonly home: string;
  readonly site: string;
  readonly env: NodeJS.ProcessEnv;
  /** The same place with another directory to guard. */
  readonly another: () => Place;
  readonly start: (args: readonly string[], options?: RunOptions) => Running;
  /** Runs hauki to its end. */
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<Outcome>;
  /** `hauki guard --intent test --path <site>` with more options, then the command as a line for `sh`. */
  readonly guard: (script: string, more?: readonly string[], options?: RunOptions) => Promise<Outcome>;
  readonly startGuard: (script: string, more?: readonly string[], options?: RunOptions) => Running;
  /** Starts a controller, and waits until it takes requests. */
  readonly controller: (args?: readonly string[], options?: RunOptions) => Promise<Running>;
  readonly json: <T>(args: readonly string[], options?: RunOptions) => Promise<T>;
  readonly mutations: () => Promise<MutationList['mutations']>;
  readonly show: (mutation: string) => Promise<MutationDetail>;
  /** The controller's process id, if it runs. */
  readonly controllerPid: () => number | undefined;
  /** Ends whatever is left. @throws when something is left that should have ended by itself */
  readonly close: () => Promise<void>;
}

export interface PlaceOptions {
  /** Folder in which the place is made. */
  readonly within?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * A fresh place for one test, taken down after it.
 *
 * @param finished the one of the test's context, where tests run at once
 */
export function place(options: PlaceOptions = {}, finished: typeof onTestFinished = onTestFinished): Place {
  const made = openPlace(options);
  finished(made.close);
  return made;
}

/** A fresh place for several tests; whoever opens it closes it. */
export function openPlace({ within = tmpdir(), env: more = {} }: PlaceOptions = {}): Place {
  const folder = realpathSync(mkdtempSync(join(within, 'hauki-e2e-')));
  const home = join(folder, 'home');
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HAUKI_'));
  const env = { ...Object.fromEntries(inherited), HAUKI_HOME: home, [MARK]: folder, NO_COLOR: '1', ...more };
  return at(folder, home, env, join(folder, 'site'));
}

let sites = 1;

function at(folder: string, home: string, env: NodeJS.ProcessEnv, site: string): Place {
  furnish(site);

  const start: Place['start'] = (args, options = {}) =>
    begin(options.program ?? HAUKI, args, { ...env }, site, options);
  const run: Place['run'] = async (args, options = {}) => start(args, options).done;
  const guardArgs = (script: string, more: readonly string[]): string[] => {
    const named = more.some((word) => /^--(path|dataset)\b/.test(word)) ? [] : ['--path', site];
    const intent = more.includes('--intent') ? [] : ['--intent', 'test'];
    return ['guard', ...intent, ...named, ...more, '--', 'sh', '-c', script];
  };
  const startGuard: Place['startGuard'] = (script, more = [], options) => start(guardArgs(script, more), options);
  const json: Place['json'] = async <T>(args: readonly string[], options?: RunOptions): Promise<T> => {
    const { code, stdout, stderr } = await run([...args, '--json'], options);
    if (code !== 0) throw new Error(`hauki ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    return JSON.parse(stdout) as T;
  };

  /** From the controller that runs; else by the command, which starts one. */
  const asked = async <T>(ask: (client: Client) => Promise<T>, args: readonly string[]): Promise<T> => {
    const client = new Client({ name: 'the controller', socketPath: bindable(join(home, 'controller.sock')) });
    return ask(client).catch(() => json<T>(args));
  };

  return {
    folder,
    home,
    site,
    env,
    another: () => at(folder, home, env, join(folder, `site-${(sites += 1)}`)),
    start,
    run,
    startGuard,
    guard: (script, more, options) => startGuard(script, more, options).done,
    controller: async (args = ['controller', '--port', '0', '--json'], options = {}) => {
      const running = start(args, { msMax: 600_000, ...options });
      const ended = (): boolean => running.child.exitCode !== null || running.child.signalCode !== null;
      const said = args.includes('--ephemeral') ? running.stderr : running.stdout;
      await until(() => ended() || /\bready\b/.test(said()), 'the controller is ready');
      return running;
    },
    json,
    mutations: async () => (await asked((client) => client.log({}), ['log'])).mutations,
    show: (mutation) => asked((client) => client.show(mutation), ['show', mutation]),
    controllerPid: () => controllerPid(home),
    close: () => close(folder, home),
  };
}

function begin(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd: string,
  options: RunOptions,
): Running {
  const { msMax = 45_000, input, stdio = ['pipe', 'pipe', 'pipe'], detached = false } = options;
  const child = spawn(program, args, {
    cwd: options.cwd ?? cwd,
    env: { ...env, ...options.env },
    stdio,
    detached,
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => void out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => void err.push(chunk));
  const stdout = (): string => Buffer.concat(out).toString('utf8');
  const stderr = (): string => Buffer.concat(err).toString('utf8');
  // A command that does not read its input may be gone before it is written.
  child.stdin?.on('error', () => {});
  if (input !== 'open') child.stdin?.end(input);
  const done = new Promise<Outcome>((resolve, reject) => {
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${program} ${args.join(' ')} did not end within ${msMax} ms:\n${stdout()}${stderr()}`));
    }, msMax);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(limit);
      const bytes = { stdout: Buffer.concat(out), stderr: Buffer.concat(err) };
      resolve({ code, signal, stdout: stdout(), stderr: stderr(), bytes });
    });
  });
  // Whoever does not wait for it must not be hurt by it.
  done.catch(() => {});
  return { child, pid: child.pid ?? 0, stdout, stderr, done };
}

export function controllerPid(home: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(home, 'controller.pid'), 'utf8'));
    return pid > 0 && isAlive(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** True for a process that runs; one that has ended and waits for its parent counts as gone. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3));
  } catch {
    return false;
  }
}

/** The processes that came from a place, the test's own aside. */
export function processesOf(folder: string): number[] {
  const mark = `${MARK}=${folder}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return isAlive(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark);
      } catch {
        return false;
      }
    });
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

async function close(folder: string, home: string): Promise<void> {
  try {
    const controller = controllerPid(home);
    if (controller !== undefined) send(controller, 'SIGTERM');
    await until(() => processesOf(folder).length === 0, 'all processes of the place end', 8_000).catch(() => undefined);
    const left = processesOf(folder).map((pid) => `${pid} ${commandLine(pid)}`);
    for (const pid of processesOf(folder)) send(pid, 'SIGKILL');
    if (left.length > 0) throw new Error(`left over after the test:\n${left.join('\n')}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Its words, with spaces between; one that has ended meanwhile has none to show. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '(gone)';
  }
}

/** A small tree with a bit of everything that a rollback has to bring back. */
export function furnish(site: string): void {
  mkdirSync(join(site, 'deep/er'), { recursive: true });
  mkdirSync(join(site, 'empty'));
  writeFileSync(join(site, 'config'), 'one\n');
  writeFileSync(join(site, 'data.bin'), Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 251)));
  writeFileSync(join(site, 'deep/er/old'), 'old');
  writeFileSync(join(site, 'run.sh'), '#!/bin/sh\nexit 0\n');
  writeFileSync(join(site, 'name with\nnewline and ü'), 'odd');
  linkSync(join(site, 'config'), join(site, 'deep/same'));
  symlinkSync('config', join(site, 'link'));
  symlinkSync('/nowhere/at all', join(site, 'dangling'));
  chmodSync(join(site, 'run.sh'), 0o755);
  chmodSync(join(site, 'deep/er/old'), 0o400);
  utimesSync(join(site, 'deep/er/old'), 1_000_000_000.123, 1_000_000_000.123);
  utimesSync(join(site, 'empty'), 1_200_000_000, 1_200_000_000);
}

/** Changes about everything there is in a furnished site: for `sh`, in the site's folder. */
export const WRECK =
  'rm -rf deep empty link; echo two > config; echo new > new; mkdir made; touch made/in; chmod 600 run.sh; mv data.bin moved.bin; ln -s new link; rm dangling';
