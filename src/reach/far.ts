import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';

import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { MUTATION_VARIABLE } from '../ports/processes.ts';
import type { Command, Ended, Reach } from '../ports/reach.ts';
import { Between } from './between.ts';
import { CARRIER_VARIABLE, commandRefusal, endedBySignal, RUN_VARIABLE, unstartable } from './command.ts';
import { LEASHED, letter, markOf, parseReport } from './courier.ts';
import { endMarkedBy, type EndingOptions } from './ending.ts';
import { filesOver } from './files.ts';
import { feed, type Flow, flow, framed } from './flow.ts';
import { type Halt, halted, haltOf, neverBegun, stopped, unstopped } from './halt.ts';

/** What leads to another place: a program that runs a courier there, and streams to and from it. */
export interface Carrier {
  /** Of the context, for people. */
  readonly name: string;
  /** The program and arguments that run the courier of this run there. */
  readonly argv: (run: string) => readonly string[];
  /** Its environment; nothing of it reaches the command. */
  readonly env: Readonly<Record<string, string>>;
  /** Why no courier got ready. @param said what was printed instead @param late nothing was heard in time */
  readonly explain: (said: string, late: boolean) => Promise<Refusal>;
}

export interface FarOptions extends EndingOptions {
  /** How long it may take until a courier is ready. */
  readonly readyMs?: number;
}

/** So long a carrier may take to leave after its command has ended: others may hold its streams. */
const LEAVE_MS = 1_000;

/** A reach over a carrier, whichever that is. */
export function farReach(carrier: Carrier, options: FarOptions = {}): Reach {
  const { name } = carrier;
  const plain = (command: Command): Promise<Result<Ended, Refusal>> => runThere(carrier, command, options);
  return {
    name,
    check: () => check(carrier, options),
    run: plain,
    stop: (mutation) => endMarkedBy(plain, name, `${MUTATION_VARIABLE}=${mutation}`, options),
    ...filesOver(name, plain),
  };
}

/** A courier on its way, or there. */
interface Passage {
  readonly run: string;
  readonly child: ChildProcessWithoutNullStreams;
  readonly stdout: Between;
  readonly stderr: Between;
  readonly flows: { readonly stdout: Flow; readonly stderr: Flow };
  /** Undefined when the courier waits for a command; else why it will never. */
  readonly ready: Promise<Refusal | undefined>;
  /** Resolves when the carrier has left, by itself or by force. */
  readonly leave: (patienceMs: number) => Promise<void>;
}

async function check(carrier: Carrier, options: FarOptions): Promise<Result<void, Refusal>> {
  const passage = send(carrier, {}, options);
  const refused = await passage.ready;
  // A courier that is given nothing does nothing.
  passage.child.stdin.end();
  await passage.leave(LEAVE_MS);
  return refused === undefined ? ok(undefined) : err(refused);
}

function send(
  carrier: Carrier,
  { stdout: out, stderr: errors, mutation }: Pick<Command, 'stdout' | 'stderr' | 'mutation'>,
  { readyMs = 30_000 }: FarOptions,
): Passage {
  const run = randomBytes(16).toString('hex');
  const [program = '', ...args] = carrier.argv(run);
  const mark = mutation === undefined ? {} : { [MUTATION_VARIABLE]: mutation };
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    // A Ctrl-C is for us: without its carrier the command could not be ended.
    detached: true,
    env: { ...carrier.env, ...mark, [CARRIER_VARIABLE]: String(process.pid) },
  });
  child.stdin.on('error', () => undefined);
  const [stdout, stderr] = [new Between(markOf(run)), new Between(markOf(run))];
  let nowReady = (): void => undefined;
  const isReady = new Promise<'ready'>((resolve) => {
    nowReady = () => resolve('ready');
  });
  const through = (between: Between) => (chunk: Buffer) => {
    const pieces = between.push(chunk);
    if (stdout.ready && stderr.ready) nowReady();
    return { pieces, last: between.report !== undefined };
  };
  const flows = {
    stdout: flow(child.stdout, out, through(stdout)),
    stderr: flow(child.stderr, errors, through(stderr)),
  };
  const gone = new Promise<Error | 'gone'>((resolve) => {
    child.once('error', resolve);
    child.once('exit', () => resolve('gone'));
  });
  const leave = async (patienceMs: number): Promise<void> => {
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    await gone;
    clearTimeout(timer);
  };
  const ready = async (): Promise<Refusal | undefined> => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, readyMs);
    const first = await Promise.race([isReady, gone]);
    clearTimeout(timer);
    if (first === 'ready') return undefined;
    if (first instanceof Error)
      return refusal(
        'context_missing',
        `${carrier.name} cannot be reached: ${program} is not installed here.`,
        `Install ${program}. Nothing was executed.`,
      );
    await Promise.all([flows.stdout.settle(), flows.stderr.settle()]);
    return carrier.explain(`${stderr.before}\n${stdout.before}`.trim(), late);
  };
  return { run, child, stdout, stderr, flows, ready: ready(), leave };
}

async function runThere(carrier: Carrier, command: Command, options: FarOptions): Promise<Result<Ended, Refusal>> {
  const invalid = commandRefusal(command);
  if (invalid !== undefined) return err(invalid);
  const halt = haltOf(command);
  if (halt.signal.aborted) return err(neverBegun(carrier.name, halt));
  const passage = send(carrier, command, options);
  try {
    const refused = await Promise.race([passage.ready, halted(halt)]);
    if (refused === 'halted' || refused !== undefined) {
      passage.child.kill('SIGKILL');
      return err(refused === 'halted' ? neverBegun(carrier.name, halt) : refused);
    }
    return await deliver(carrier, command, passage, halt, options);
  } finally {
    halt.forget();
    await passage.leave(LEAVE_MS);
  }
}

async function deliver(
  carrier: Carrier,
  command: Command,
  passage: Passage,
  halt: Halt,
  options: FarOptions,
): Promise<Result<Ended, Refusal>> {
  const { child, flows, run } = passage;
  child.stdin.write(letter(command));
  const leashed = passage.stdout.greeting === LEASHED;
  const starve = feed(leashed ? framed(child.stdin) : child.stdin, command.stdin);
  void flows.stdout.done.then((how) => {
    if (how === 'unwanted') halt.because('nobody takes its output any more');
  });
  const done = Promise.all([flows.stdout.done, flows.stderr.done]);
  try {
    if ((await Promise.race([done, halted(halt)])) !== 'halted') return outcome(carrier, command, passage);
    const plain = (ending: Command): Promise<Result<Ended, Refusal>> => runThere(carrier, ending, options);
    const gone = await endMarkedBy(plain, carrier.name, `${RUN_VARIABLE}=${run}`, options);
    child.kill('SIGKILL');
    if (!gone.ok) return err(unstopped(carrier.name, halt, gone.error));
    return err(stopped(carrier.name, halt, undefined));
  } finally {
    starve();
  }
}

/** What the courier said at last, on both streams: until then no byte of the command's is missing. */
function outcome(carrier: Carrier, command: Command, { stdout, stderr }: Passage): Result<Ended, Refusal> {
  const report = stdout.report === undefined ? undefined : parseReport(stderr.report ?? '');
  switch (report?.kind) {
    case 'exit':
      return ok({ code: report.code });
    case 'signal':
      return ok(endedBySignal(report.number));
    case 'unstarted':
      return err(unstartable(carrier.name, command, report));
    case undefined:
      return err(
        refusal('command_lost', `The connection to ${carrier.name} broke while ${command.argv[0]} ran there.`),
      );
  }
}
