import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Client } from '../../client/client.ts';
import type { TaskResult } from '../../core/task/ending.ts';
import { bindable } from '../home.ts';

export const NODE = 'hauki-crm';
const ENDED = ['done', 'failed', 'denied'] as const;
const LOOK_MS = 25;
const PATIENCE_MS = 30_000;
/** After so long a process that was asked to end is made to. */
const END_MS = 5_000;
/** What would lead to a controller, or speak for a mutation, that is not the demo's. */
const NOT_INHERITED = /^HAUKI_(HOME|NODE_HOME|CONTROLLER|TOKEN|CA|MUTATION|FENCE|SNAPSHOT|INTENT|READY_FD|LOG|FAULT)$/;

/** Where the demo plays: a folder of its own with a controller, a node, and the state that is guarded. All of it is real. */
export class Stage {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'hauki-demo-')));
  readonly home = join(this.folder, 'home');
  readonly state = join(this.folder, 'state', 'crm');
  readonly spool = join(this.folder, 'spool');
  readonly client = new Client({
    name: `unix:${join(this.home, 'controller.sock')}`,
    socketPath: bindable(join(this.home, 'controller.sock')),
  });
  readonly #env: NodeJS.ProcessEnv;
  readonly #signal: AbortSignal;
  readonly #running = new Set<ChildProcess>();
  #controller: ChildProcess | undefined;

  /** @param signal ends every wait */
  constructor(signal: AbortSignal, colour: boolean) {
    this.#signal = signal;
    const inherited = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
    const nodeHome = join(this.folder, 'node');
    this.#env = { ...Object.fromEntries(inherited), HAUKI_HOME: this.home, HAUKI_NODE_HOME: nodeHome };
    if (colour) this.#env['FORCE_COLOR'] = '1';
    mkdirSync(join(this.state, 'app'), { recursive: true });
    writeFileSync(join(this.state, 'app', 'version'), 'schema 41\n');
    writeFileSync(join(this.state, 'app', 'customers'), 'alice\nbob\n');
    mkdirSync(nodeHome, { recursive: true });
    const tasks = { datasets: [this.state], unsigned: 'run' };
    const controllers = [this.client.address.name];
    writeFileSync(join(nodeHome, 'node.yaml'), JSON.stringify({ node: NODE, controllers, spool: this.spool, tasks }));
  }

  async startController(): Promise<number> {
    const controller = this.#start(['controller', '--port', '0', '--node', 'storage', '--json'], 'controller.log');
    this.#controller = controller;
    await this.until(() => this.client.ready(), 'the controller is ready', controller);
    return controller.pid ?? 0;
  }

  async stopController(): Promise<void> {
    if (this.#controller !== undefined) await end(this.#controller);
  }

  async startNode(): Promise<number> {
    const node = this.#start(['node', 'run'], 'node.log');
    await this.until(() => existsSync(join(this.spool, 'inbox')), 'the node is there', node);
    return node.pid ?? 0;
  }

  /** Runs hauki to its end. @returns what it printed on stdout @throws Error when it fails */
  async hauki(args: readonly string[]): Promise<string> {
    const child = this.#spawn(args, ['ignore', 'pipe', 'pipe']);
    let said = '';
    let complaint = '';
    child.stdout?.on('data', (chunk: Buffer) => (said += String(chunk)));
    child.stderr?.on('data', (chunk: Buffer) => (complaint += String(chunk)));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw new Error(`hauki ${args.join(' ')} ended with ${code}: ${complaint}`);
    return said.trimEnd();
  }

  /** A task file beside the spool, to be dropped. */
  payload(name: string, script: string): string {
    const file = join(this.folder, name);
    writeFileSync(file, script, { mode: 0o755 });
    return file;
  }

  ended(task: string): Promise<TaskResult> {
    return this.until(() => {
      const file = ENDED.map((how) => join(this.spool, how, `${task}.result.json`)).find(existsSync);
      return file === undefined ? undefined : (JSON.parse(readFileSync(file, 'utf8')) as TaskResult);
    }, `${task} has ended`);
  }

  logOf(task: string): string {
    const file = ENDED.map((how) => join(this.spool, how, `${task}.log`)).find(existsSync);
    return file === undefined ? '' : readFileSync(file, 'utf8');
  }

  nodeLog(): string {
    return readFileSync(join(this.folder, 'node.log'), 'utf8');
  }

  waiting(): string[] {
    return readdirSync(join(this.spool, 'inbox')).filter((name) => !name.startsWith('.'));
  }

  /** Of the guarded state: names, modes, times to the nanosecond, content. */
  fingerprint(): string {
    const hash = createHash('sha256');
    const visit = (path: string): void => {
      const found = lstatSync(path, { bigint: true });
      hash.update(`${path}\0${found.mode}\0${found.mtimeNs}\0`);
      if (found.isDirectory()) for (const name of readdirSync(path).toSorted()) visit(join(path, name));
      else hash.update(readFileSync(path));
    };
    visit(this.state);
    return hash.digest('hex');
  }

  /** @param process which ends the wait when it ends @throws Error after 30 s, or when the demo is ended */
  async until<T>(
    look: () => T | undefined | false | Promise<T | undefined | false>,
    what: string,
    process?: ChildProcess,
  ): Promise<T> {
    const patience = performance.now() + PATIENCE_MS;
    for (;;) {
      this.#signal.throwIfAborted();
      const found = await look();
      if (found !== undefined && found !== false) return found;
      const gone = process !== undefined && hasEnded(process);
      if (gone || performance.now() > patience)
        throw new Error(`waited in vain until ${what}; see ${this.folder}/*.log`);
      await this.pause(LOOK_MS);
    }
  }

  async pause(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#signal.throwIfAborted();
  }

  /** Ends what runs, the node before its controller; what was started last ends first. */
  async close(keep: boolean): Promise<void> {
    for (const child of [...this.#running].toReversed()) await end(child);
    if (!keep) rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  #start(args: readonly string[], log: string): ChildProcess {
    const file = openSync(join(this.folder, log), 'a', 0o600);
    return this.#spawn(args, ['ignore', file, file]);
  }

  #spawn(args: readonly string[], stdio: ['ignore', 'pipe' | number, 'pipe' | number]): ChildProcess {
    const [script = ''] = process.argv.slice(1);
    const child = spawn(process.execPath, [script, ...args], { env: this.#env, cwd: this.folder, stdio });
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    return child;
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), END_MS);
  await ended;
  clearTimeout(force);
}
