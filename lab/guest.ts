import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Controller, startController } from './controller.ts';
import type { Machine } from './machine.ts';
import type { Outcome, Remote } from './ssh.ts';
import { commandLine, type Where } from './words.ts';

export interface RunOptions extends Where {
  /** What it reads; default nothing. */
  readonly stdin?: string | Buffer;
  /** Exit codes that are no failure; default 0 alone. */
  readonly okCodes?: readonly number[] | 'any';
  /** Gets what it says as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** A command that goes on in the guest. */
export interface Running extends Remote {
  /** Sends it a signal, to it alone. */
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
}

/** The answer to a request of `lab.api`. */
export interface Answer {
  readonly status: number;
  /** Parsed when it is JSON, else the text. */
  readonly body: unknown;
}

/** Counts of a vitest run in the guest. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface ControllerOptions {
  /** On top of HAUKI_HOME; HAUKI_FAULT for instance. */
  readonly env?: Readonly<Record<string, string>>;
  /** After `hauki controller`; default no port. */
  readonly args?: readonly string[];
  /** Of the systemd unit: `KillMode=process`. */
  readonly properties?: readonly string[];
}

const HAUKI = '/opt/hauki/hauki';
const POOL_DISK = '/dev/disk/by-id/virtio-pool';

/** What a scenario has to work with: the guest, and hauki in it. */
export class Lab {
  /** Of this scenario alone, in the guest; on the root file system (ext4). */
  readonly folder: string;
  /** HAUKI_HOME of this scenario. */
  readonly home: string;
  /** What it is doing, and what it did last: shown when it fails. */
  doing = 'beginning';
  lastCommand = '';
  /** Of the vitest runs in the guest. */
  inner: Counts = { passed: 0, failed: 0, skipped: 0 };
  readonly #name: string;
  readonly #machine: Machine;
  readonly #transcript: string;
  readonly #stop: AbortSignal;
  readonly #say: (text: string) => void;
  readonly #after: (() => Promise<void>)[] = [];
  #started = 0;

  constructor(
    name: string,
    machine: Machine,
    { transcript, stop, say }: { transcript: string; stop: AbortSignal; say: (text: string) => void },
  ) {
    this.#name = name;
    this.folder = `/var/lib/lab/scenarios/${name}`;
    this.home = join(this.folder, 'home');
    this.#machine = machine;
    this.#transcript = transcript;
    this.#stop = stop;
    this.#say = say;
  }

  /** Says what comes next: on the terminal, in the transcript, and in the report should it fail. */
  step(text: string): void {
    this.doing = text;
    this.#write(`\n== ${text}\n`);
    this.#say(text);
  }

  /**
   * Runs a program in the guest to its end. The arguments arrive as they are: no shell reads them.
   *
   * @throws with all it said, when its exit code is not one of `okCodes`
   */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const { stdin, onOutput, okCodes = [0] } = options;
    const begun = performance.now();
    const shown = argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
    this.lastCommand = `$ ${shown}\n(it did not end)`;
    this.#write(`$ ${shown}\n`);
    const outcome = await this.#machine.ssh.start(commandLine(argv, options), {
      stop: this.#stop,
      ...(stdin === undefined ? {} : { stdin }),
      ...(onOutput === undefined ? {} : { onOutput }),
    }).done;
    const seconds = ((performance.now() - begun) / 1000).toFixed(2);
    const said = `${outcome.stdout}${outcome.stderr}`;
    const ended = `(exit code ${outcome.code} after ${seconds} s)`;
    this.#write(`${said}${said === '' || said.endsWith('\n') ? '' : '\n'}${ended}\n`);
    this.lastCommand = `$ ${shown}\n${said}${ended}`;
    if (okCodes !== 'any' && !okCodes.includes(outcome.code))
      throw new Error(`${shown} ended with exit code ${outcome.code}:\n${said}`);
    return outcome;
  }

  /** Runs a script for `bash`, which ends at the first command that fails. @returns its stdout */
  async sh(script: string, options: RunOptions = {}): Promise<string> {
    return (await this.run(['bash', '-euo', 'pipefail', '-c', script], options)).stdout;
  }

  /** Runs a program that prints one JSON document. @returns that, unchecked: the assertions are the check */
  async json<T>(argv: readonly string[], options: RunOptions = {}): Promise<T> {
    const { stdout } = await this.run(argv, options);
    return JSON.parse(stdout) as T;
  }

  /** Starts a program in the guest that goes on. Whatever still runs when the scenario ends is killed. */
  start(argv: readonly string[], options: Omit<RunOptions, 'okCodes'> = {}): Running {
    const { stdin, onOutput } = options;
    this.#started += 1;
    const pidFile = `/run/lab/${this.#name}-${this.#started}.pid`;
    this.#write(`$ ${JSON.stringify(argv)} &\n`);
    const remote = this.#machine.ssh.start(commandLine(argv, options, pidFile), {
      stop: this.#stop,
      ...(stdin === undefined ? {} : { stdin }),
      ...(onOutput === undefined ? {} : { onOutput }),
    });
    const kill = async (signal: NodeJS.Signals): Promise<void> => {
      await this.until(
        async () => (await this.run(['test', '-s', pidFile], { okCodes: 'any' })).code === 0,
        'it has started',
      );
      await this.sh(`kill -${signal.replace(/^SIG/, '')} "$(cat ${pidFile})"`);
    };
    return { ...remote, kill };
  }

  /** Writes a file in the guest; folders on the way are made. @param mode octal; default 644 */
  async put(path: string, content: string | Buffer, mode = '644'): Promise<void> {
    await this.run(['install', '-D', '-m', mode, '/dev/stdin', path], { stdin: content });
  }

  /** Reads a file of the guest. */
  async get(path: string): Promise<Buffer> {
    return (await this.run(['cat', path])).bytes.stdout;
  }

  /** Looks again and again until something holds. @returns what the last look found */
  async until<T>(
    look: () => Promise<T | undefined | false>,
    what: string,
    { secondsMax = 60, everyMs = 250 }: { secondsMax?: number; everyMs?: number } = {},
  ): Promise<T> {
    const end = performance.now() + secondsMax * 1000;
    for (;;) {
      this.#stop.throwIfAborted();
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (performance.now() > end) throw new Error(`waited ${secondsMax} s in vain for: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  /** Done when the scenario ends, however it does; last in, first out. */
  after(work: () => Promise<void>): void {
    this.#after.push(work);
  }

  /** Pulls the plug: the machine is off at once, its disks keep what the guest had flushed. Then `boot()`. */
  async powerCut(): Promise<void> {
    this.#stop.throwIfAborted();
    this.#write('== power cut\n');
    await this.#machine.powerCut();
  }

  /** Boots again, with the same disks. Controllers and mounts made by hand are gone; the pool is imported. */
  async boot(): Promise<void> {
    this.#stop.throwIfAborted();
    this.#write('== boot\n');
    await this.#machine.boot();
    await settle(this);
  }

  /** Makes pool `tank` on its disk, in place of whatever was there. @param datasets to make in it, outer ones first */
  async freshPool(...datasets: readonly string[]): Promise<void> {
    await dropPool(this);
    await this.run(['zpool', 'create', '-f', '-o', 'ashift=12', 'tank', POOL_DISK]);
    for (const dataset of datasets) await this.run(['zfs', 'create', dataset]);
  }

  /** Runs the CLI, on this scenario's HAUKI_HOME. It takes seconds to start under emulation; `api` does not. */
  hauki(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return this.run([HAUKI, ...argv], { ...options, env: { HAUKI_HOME: this.home, ...options.env } });
  }

  /** Starts the CLI and lets it go on. */
  startHauki(argv: readonly string[], options: Omit<RunOptions, 'okCodes'> = {}): Running {
    return this.start([HAUKI, ...argv], { ...options, env: { HAUKI_HOME: this.home, ...options.env } });
  }

  /** Starts `hauki controller` as a unit of systemd's, and waits until it takes requests. */
  async controller({ env = {}, args = ['--port', '0'], properties = [] }: ControllerOptions = {}): Promise<Controller> {
    this.#started += 1;
    return startController(this, {
      unit: `lab-controller-${this.#started}.service`,
      argv: [HAUKI, 'controller', ...args],
      env: { HAUKI_HOME: this.home, ...env },
      properties,
    });
  }

  /** One request to the controller on this scenario's HAUKI_HOME. @param path `/v1/status` */
  async api(method: string, path: string, body?: unknown): Promise<Answer> {
    const socket = ['--unix-socket', join(this.home, 'controller.sock')];
    const sent = body === undefined ? [] : ['-H', 'content-type: application/json', '--data-binary', '@-'];
    const { stdout } = await this.run(
      ['curl', '-sS', ...socket, '-X', method, ...sent, '-w', '\n%{http_code}', `http://localhost${path}`],
      body === undefined ? {} : { stdin: JSON.stringify(body) },
    );
    const cut = stdout.lastIndexOf('\n');
    return { status: Number(stdout.slice(cut + 1)), body: parsed(stdout.slice(0, cut)) };
  }

  /**
   * Runs tests of the checkout in the guest, under CI=true: nothing is skipped silently. Each test counts in the lab's
   * own totals.
   *
   * @param args after `vitest run`: `['--project', 'zfs']`
   * @param env besides CI=true
   * @throws when a test failed, or none ran
   */
  async vitest(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Counts> {
    const { code, stdout } = await this.run(['node', 'node_modules/vitest/vitest.mjs', 'run', ...args], {
      cwd: '/opt/hauki',
      env: { CI: 'true', NO_COLOR: '1', ...env },
      okCodes: 'any',
      onOutput: (text) => process.stdout.write(text.replaceAll(/^(?=.)/gm, '  | ')),
    });
    const closing = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(stdout);
    const [passed = 0, failed = 0, skipped = 0] = closing?.slice(1).map(Number) ?? [];
    this.inner = {
      passed: this.inner.passed + passed,
      failed: this.inner.failed + failed,
      skipped: this.inner.skipped + skipped,
    };
    if (closing === null) throw new Error(`vitest ended with exit code ${code} and without its closing line`);
    if (code !== 0) {
      const failures = stdout.match(/^failed: .*$/gm) ?? [];
      throw new Error([`vitest ended with exit code ${code}: ${closing[0]}`, ...failures].join('\n'));
    }
    if (passed === 0) throw new Error('vitest ran no test');
    return { passed, failed, skipped };
  }

  /** Does what `after` was given. For the suite alone. @throws the first of what went wrong, all having been done */
  async cleanUp(): Promise<void> {
    const errors: unknown[] = [];
    for (const work of this.#after.toReversed()) await work().catch((error: unknown) => void errors.push(error));
    if (errors.length > 0) throw errors[0];
  }

  #write(text: string): void {
    appendFileSync(this.#transcript, text);
  }
}

/** After a boot: waits until systemd has started everything, and prepares for commands. */
export async function settle(lab: Lab): Promise<void> {
  await lab.run(['systemctl', 'is-system-running', '--wait'], { okCodes: 'any' });
  await lab.run(['systemctl', 'start', 'lab-commands.service']);
}

/** Nothing of earlier scenarios: their units and processes are stopped, their pool is destroyed. */
export async function cleanSlate(lab: Lab): Promise<void> {
  await lab.sh('systemctl stop "lab-*.service"; systemctl reset-failed; systemctl start lab-commands.service', {
    held: false,
  });
  await dropPool(lab);
  await lab.run(['mkdir', '-p', lab.folder]);
}

async function dropPool(lab: Lab): Promise<void> {
  await lab.sh('if zpool list -H -o name tank >/dev/null 2>&1; then zpool destroy -f tank; fi');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
