import { hostname } from 'node:os';
import parseArgsStringToArgv from 'string-argv';
import { parseDuration } from '../../base/duration.ts';
import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import { anyOverlapping } from '../../core/dataset.ts';
import { intentRefusal, nodeRefusal } from '../../core/policy/policy.ts';
import { type Ended, runForeground } from '../../node/foreground.ts';
import { Lease } from '../../node/lease.ts';
import { localProcesses, MUTATION_VARIABLE } from '../../reach/local/processes.ts';
import type { MutationAsk, MutationView } from '../../wire/http.ts';
import { systemClock } from '../clock.ts';
import { type Connection, connect } from '../connect.ts';
import { absolute } from '../home.ts';
import { exitCodeOf, oneLine, printJson, printRefusal, say } from '../output.ts';
import { faultPoint } from '../fault.ts';

export interface GuardOptions {
  readonly intent?: string;
  readonly path?: readonly string[];
  readonly dataset?: readonly string[];
  readonly recursive?: boolean;
  readonly node?: string;
  readonly ttl?: string;
  readonly wait?: string;
  readonly verify?: string;
  readonly onExpiry?: 'rollback' | 'quarantine';
  readonly controller?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** 0 committed, else the command's own code; 64 usage; 70 outcome unknown or quarantined; 75 denied, nothing executed. */
const EXIT_USAGE = 64;
const EXIT_UNKNOWN = 70;
const EXIT_DENIED = 75;
/** After so long without clearance people are told whom they wait for. */
const PATIENCE_MS = 1_000;
/** How long to ask what became of a mutation whose lease was lost. */
const OUTCOME_MS_MAX = 10_000;

interface Session {
  readonly options: GuardOptions;
  readonly connection: Connection;
  readonly lease: Lease;
  readonly say: (text: string) => void;
  /** The first signal that asked for an end. */
  stoppedBy: NodeJS.Signals | undefined;
  /** The commands have ended; what remains is to commit or to undo. */
  ending: boolean;
}

/** `hauki guard`: freeze, run, commit or undo. @returns the exit code */
export async function guard(command: readonly string[], options: GuardOptions): Promise<number> {
  const json = options.json ?? false;
  const quiet = options.quiet ?? false;
  try {
    const connection = connect(options.controller);
    const { ask, argv, verify } = understand(command, options, connection.operator ? nodeName() : undefined);
    const talk = (text: string): void => {
      if (!quiet && !json) say(text);
    };
    await refuseWithin(ask, connection);
    faultPoint('guard:before-request');
    const lease = await clearance(ask, connection, talk);
    faultPoint('guard:after-clearance');
    const { snapshots, node, driver } = lease.cleared;
    const label = STORAGE_LABEL[driver] ?? driver;
    for (const snapshot of snapshots) {
      talk(`Lock secured. ${label} Snapshot '${oneLine(snapshot)}' captured for '${node}'.`);
    }
    await lease.confirm().catch((error: unknown) => {
      lease.release();
      throw error;
    });
    const session: Session = { options, connection, lease, say: talk, stoppedBy: undefined, ending: false };
    return await work(session, argv, verify);
  } catch (error) {
    if (error instanceof Interrupted) {
      if (json) printJson({ status: 'cancelled', signal: error.signal, exitCode: error.code });
      else say('interrupted while waiting for clearance; nothing was executed');
      return error.code;
    }
    if (!(error instanceof RefusedError)) throw error;
    printRefusal(error.refusal, json);
    // Whatever the code means elsewhere: here nothing was executed.
    return exitCodeOf(error) === EXIT_USAGE ? EXIT_USAGE : EXIT_DENIED;
  }
}

/** A guard inside a guard of the same state would wait for itself. */
async function refuseWithin(ask: MutationAsk, { client }: Connection): Promise<void> {
  const outer = process.env[MUTATION_VARIABLE];
  if (outer === undefined) return;
  const view = await client.show(outer).catch(() => undefined);
  const wanted = ask.datasets.map((name) => ({ name }));
  if (view?.stage !== 'cleared' || !anyOverlapping(view.datasets, wanted)) return;
  const held = view.datasets.map(({ name }) => name).join(', ');
  const message = `This runs under mutation ${outer} already, which holds ${held}.`;
  throw new RefusedError(
    refusal('dataset_busy', message, 'Change it directly: it is guarded, and undone if the outer guard fails.'),
  );
}

/** How people call the storages. */
const STORAGE_LABEL: Readonly<Record<string, string>> = { zfs: 'ZFS', btrfs: 'btrfs', directory: 'Directory' };

interface Understood {
  readonly ask: MutationAsk;
  readonly argv: readonly [string, ...string[]];
  readonly verify: readonly [string, ...string[]] | undefined;
}

/**
 * @param name as whom to ask when nobody says; undefined: the controller knows us
 * @throws RefusedError with a code of usage, before anything is asked of a controller
 */
function understand(command: readonly string[], options: GuardOptions, name: string | undefined): Understood {
  const usage = (message: string, hint: string): RefusedError => new RefusedError(refusal('usage', message, hint));
  const example = 'For example: hauki guard --intent "bump the schema" --path ./site -- ./migrate.sh';
  if (options.intent === undefined)
    throw usage('There is no --intent.', `Say what you are about to change, and why. ${example}`);
  const datasets = [...(options.path ?? []).map(absolute), ...(options.dataset ?? [])];
  if (datasets.length === 0)
    throw usage('Nothing is named to be guarded.', `Name it with --path DIR or --dataset NAME. ${example}`);
  const [program, ...args] = command;
  if (program === undefined || program === '')
    throw usage('There is no command to run.', `Write it after "--". ${example}`);
  if ((options.path ?? []).includes('')) throw usage('A --path is empty.', `Name a directory. ${example}`);
  const node = options.node ?? name;
  const refused = intentRefusal(options.intent) ?? (node === undefined ? undefined : nodeRefusal(node));
  if (refused !== undefined) throw new RefusedError(refused);
  for (const text of [options.ttl, options.wait]) {
    const parsed = text === undefined ? undefined : parseDuration(text);
    if (parsed?.ok === false) throw new RefusedError(parsed.error);
  }
  const { ttl, wait, onExpiry, intent } = options;
  return {
    ask: {
      intent,
      datasets,
      ...(node === undefined ? {} : { node }),
      ...(options.recursive ? { recursive: true } : {}),
      ...(ttl === undefined ? {} : { ttl }),
      ...(wait === undefined ? {} : { wait }),
      ...(onExpiry === undefined ? {} : { onExpiry }),
    },
    argv: [program, ...args],
    verify: options.verify === undefined ? undefined : verifyArgv(options.verify),
  };
}

/** The words of `--verify`, with quotes as in a shell, but no shell: what only a shell would understand is refused. */
function verifyArgv(text: string): readonly [string, ...string[]] {
  const unquoted = text.replaceAll(/'[^']*'|"[^"]*"/g, '');
  const special = /[|&;<>()$`*?~\n]/.exec(unquoted)?.[0];
  if (special !== undefined) {
    throw new RefusedError(
      refusal(
        'usage',
        `--verify contains ${JSON.stringify(special)}, which only a shell understands.`,
        `Call the shell yourself: --verify "sh -c '…'".`,
      ),
    );
  }
  const [program, ...args] = parseArgsStringToArgv(text);
  if (program === undefined)
    throw new RefusedError(refusal('usage', '--verify names no command.', 'For example: --verify "./check.sh --fast"'));
  return [program, ...args];
}

/** This host as a node: its name, with what a node's name cannot hold left out. */
export function nodeName(): string {
  return (
    hostname()
      .replaceAll(/[^A-Za-z0-9_.-]/g, '')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 63) || 'localhost'
  );
}

class Interrupted extends Error {
  readonly signal: NodeJS.Signals;
  readonly code: number;

  constructor(signal: NodeJS.Signals, code: number) {
    super(signal);
    this.signal = signal;
    this.code = code;
  }
}

const ENDING: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** Waits for clearance; a signal meanwhile ends the wait, and the controller drops the request with the connection. */
async function clearance(ask: MutationAsk, connection: Connection, talk: (text: string) => void): Promise<Lease> {
  const { client, ensure } = connection;
  const aborted = new AbortController();
  const interrupted = new Promise<never>((_, reject) => {
    for (const [signal, code] of Object.entries(ENDING)) {
      const on = (): void => reject(new Interrupted(signal as NodeJS.Signals, code));
      process.once(signal, on);
      aborted.signal.addEventListener('abort', () => process.off(signal, on));
    }
  });
  const patience = setTimeout(() => void tellWhomFor(ask, connection, talk), PATIENCE_MS);
  try {
    const options = { client, ensure, clock: systemClock };
    return await Promise.race([Lease.acquire(ask, options), interrupted]);
  } finally {
    clearTimeout(patience);
    aborted.abort();
  }
}

async function tellWhomFor(ask: MutationAsk, { client }: Connection, talk: (text: string) => void): Promise<void> {
  const { locks } = await client.locks().catch(() => ({ locks: undefined }));
  if (locks === undefined) return talk('starting a controller …');
  const mine = locks.findLast(
    (lock) => lock.stage === 'queued' && lock.intent === ask.intent && lock.node === (ask.node ?? lock.node),
  );
  const [first] = mine?.blockedBy ?? [];
  const holder = locks.find((lock) => lock.mutation === first);
  if (holder === undefined) return talk('waiting for the snapshot …');
  talk(`waiting for ${holder.node}, which works on "${oneLine(holder.intent)}" (mutation ${holder.mutation}) …`);
}

async function work(session: Session, argv: Understood['argv'], verify: Understood['verify']): Promise<number> {
  // Also while no command runs: a signal that just killed us would leave open what becomes of the change.
  const note = (signal: NodeJS.Signals): void => {
    const again = session.stoppedBy !== undefined;
    session.stoppedBy ??= signal;
    if (!session.ending) return again ? stopCommand() : sayItWaits();
    session.say('the change is being ended; interrupt once more to stop waiting for it');
    for (const other of Object.keys(ENDING)) process.off(other, note);
  };
  const sayItWaits = (): void => {
    setTimeout(() => {
      if (!session.ending) session.say('waiting for the command to end; interrupt once more to stop it');
    }, PATIENCE_MS).unref();
  };
  const stopCommand = (): void => {
    session.say('stopping the command …');
    void processes.stop(mutation);
  };
  for (const signal of Object.keys(ENDING)) process.on(signal, note);
  const { lease, options } = session;
  const { mutation, fence, snapshot } = lease.cleared;
  const env = {
    ...process.env,
    HAUKI_MUTATION: mutation,
    HAUKI_FENCE: String(fence),
    HAUKI_SNAPSHOT: snapshot,
    HAUKI_INTENT: options.intent ?? '',
  };
  const processes = localProcesses();
  const stopped = new Promise<void>((resolve) => {
    lease.lost.addEventListener('abort', () => {
      const { message } = lease.lost.reason as Refusal;
      session.say(`clearance lost: ${oneLine(message)} Stopping the command.`);
      void processes.stop(mutation).then(() => resolve());
    });
  });
  const run = (command: Understood['argv']): Promise<Ended> =>
    runForeground(command, {
      env,
      // With --json, stdout belongs to the one document.
      stdio: options.json ? ['inherit', 2, 'inherit'] : 'inherit',
    });

  const ended = await run(argv);
  faultPoint('guard:after-command');
  if (ended.error !== undefined) session.say(ended.error);
  if (lease.lost.aborted) {
    await stopped;
    return lost(session, ended);
  }
  if (session.stoppedBy !== undefined)
    return undo(session, { ...ended, code: ended.code || ENDING[session.stoppedBy] || 1 }, 'interrupted');
  if (ended.code !== 0)
    return undo(session, ended, `the command ended with ${ended.signal ?? `exit code ${ended.code}`}`);
  if (verify !== undefined) {
    const verified = await run(verify);
    if (lease.lost.aborted) return lost(session, verified);
    if (verified.code !== 0 || session.stoppedBy !== undefined) {
      const code = verified.code || ENDING[session.stoppedBy ?? 'SIGINT'] || 1;
      return undo(
        session,
        { ...verified, code },
        `the verification failed (${verified.error ?? `exit code ${verified.code}`})`,
      );
    }
  }
  return keep(session, ended);
}

async function keep(session: Session, ended: Ended): Promise<number> {
  session.ending = true;
  const { lease } = session;
  try {
    const view = await lease.commit();
    faultPoint('guard:after-commit');
    session.say(`committed: mutation ${view.mutation}`);
    report(session, view, ended, 0);
    return 0;
  } catch (error) {
    return unsure(session, error, ended, 'commit');
  }
}

async function undo(session: Session, ended: Ended, why: string): Promise<number> {
  session.ending = true;
  session.say(`${why}; rolling back …`);
  try {
    const view = await session.lease.rollback();
    sayRolledBack(session, view);
    report(session, view, ended, ended.code);
    return ended.code;
  } catch (error) {
    return unsure(session, error, ended, 'rollback');
  }
}

function sayRolledBack(session: Session, view: MutationView): void {
  session.say(`rolled back: mutation ${view.mutation}`);
  for (const { path } of view.evidence) session.say(`the failed state is kept in ${oneLine(path)}`);
}

/** The lease ended under the command: the controller undoes the change, and all that is left is to see that it did. */
async function lost(session: Session, ended: Ended): Promise<number> {
  session.ending = true;
  const reason = session.lease.lost.reason as Refusal;
  session.lease.release();
  return outcome(session, reason, ended);
}

async function unsure(session: Session, error: unknown, ended: Ended, wanted: 'commit' | 'rollback'): Promise<number> {
  if (!(error instanceof RefusedError)) throw error;
  session.say(`the ${wanted} was not confirmed: ${oneLine(error.refusal.message)}`);
  return outcome(session, error.refusal, ended);
}

/** What became of the mutation, from the controller itself. */
async function outcome(session: Session, reason: Refusal, ended: Ended): Promise<number> {
  const { connection, lease } = session;
  const { mutation } = lease.cleared;
  // Whoever was revoked is told nothing any more.
  const until = /^(node|token)_revoked$/.test(reason.code) ? 0 : performance.now() + OUTCOME_MS_MAX;
  while (performance.now() < until) {
    const view = await connection.client.show(mutation).catch(() => undefined);
    if (view?.stage === 'rolled_back') {
      sayRolledBack(session, view);
      const code = ended.code === 0 ? EXIT_UNKNOWN : ended.code;
      report(session, view, ended, code);
      return code;
    }
    if (view?.stage === 'committed') {
      report(session, view, ended, 0);
      return 0;
    }
    if (view?.stage === 'quarantined') {
      session.say(`quarantined: ${oneLine(view.reason?.message ?? '')} ${oneLine(view.reason?.hint ?? '')}`);
      report(session, view, ended, EXIT_UNKNOWN);
      return EXIT_UNKNOWN;
    }
    await connection.ensure().catch(() => undefined);
    await new Promise((wake) => setTimeout(wake, 200));
  }
  session.say(`outcome unknown: ${oneLine(reason.message)}`);
  session.say(`ask the controller later: hauki show ${mutation}`);
  if (session.options.json) {
    printJson({
      status: 'unknown',
      mutation,
      code: reason.code,
      message: reason.message,
      hint: reason.hint,
      exitCode: EXIT_UNKNOWN,
    });
  }
  return EXIT_UNKNOWN;
}

function report(session: Session, view: MutationView, ended: Ended, exitCode: number): void {
  if (!session.options.json) return;
  const { mutation, node, intent, snapshots, evidence, reason } = view;
  printJson({
    status: view.stage,
    mutation,
    node,
    intent,
    snapshot: snapshots[0]?.name,
    snapshots: snapshots.map((snapshot) => snapshot.name),
    evidence,
    ...(reason === undefined ? {} : { reason }),
    command: { exitCode: ended.code, ...(ended.signal === undefined ? {} : { signal: ended.signal }) },
    exitCode,
  });
}
