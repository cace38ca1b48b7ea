import parseArgsStringToArgv from 'string-argv';
import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import { anyOverlapping } from '../../core/dataset.ts';
import { type Ended, runForeground } from '../../node/foreground.ts';
import type { Lease } from '../../node/lease.ts';
import { settled } from '../../node/outcome.ts';
import { MUTATION_VARIABLE } from '../../ports/processes.ts';
import { localProcesses } from '../../reach/local/processes.ts';
import type { MutationAsk, MutationView } from '../../wire/http.ts';
import { systemClock } from '../clock.ts';
import { type Connection, connect } from '../connect.ts';
import { exitCodeOf, oneLine, printJson, printRefusal, say } from '../output.ts';
import { faultPoint } from '../fault.ts';
import { askOf, type AskOptions, nodeName, usage } from './asking.ts';
import { clearance, ENDING, Interrupted } from './clearance.ts';

export interface GuardOptions extends AskOptions {
  readonly verify?: string;
  readonly controller?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const EXAMPLE = 'For example: hauki guard --intent "bump the schema" --path ./site -- ./migrate.sh';
/** 0 committed, else the command's own code; 64 usage; 70 outcome unknown or quarantined; 75 denied, nothing executed. */
const EXIT_USAGE = 64;
const EXIT_UNKNOWN = 70;
const EXIT_DENIED = 75;
/** After so long without clearance people are told whom they wait for. */
const PATIENCE_MS = 1_000;
/** How long to ask what became of a mutation whose lease was lost. */
const OUTCOME_MS_MAX = 10_000;

const processes = localProcesses();

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
    const lease = await clearance(ask, connection, talk, !json && !quiet);
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
export async function refuseWithin(ask: MutationAsk, { client }: Connection): Promise<void> {
  const outer = process.env[MUTATION_VARIABLE];
  if (outer === undefined) return;
  const view = await client.show(outer).catch(() => undefined);
  const wanted = ask.datasets.map((name) => ({ name }));
  // A barrier waits for everything.
  const waits = ask.mode === 'critical' || anyOverlapping(view?.datasets ?? [], wanted);
  if (view?.stage !== 'cleared' || !waits) return;
  const held = view.datasets.map(({ name }) => name).join(', ');
  const message = `This runs under mutation ${outer} already, which holds ${held}.`;
  throw new RefusedError(
    refusal('dataset_busy', message, 'Change it directly: it is guarded, and undone if the outer guard fails.'),
  );
}

/** How people call the storages. */
export const STORAGE_LABEL: Readonly<Record<string, string>> = { zfs: 'ZFS', btrfs: 'btrfs', directory: 'Directory' };

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
  const ask = askOf(options, name, EXAMPLE);
  const [program, ...args] = command;
  if (program === undefined || program === '')
    throw usage('There is no command to run.', `Write it after "--". ${EXAMPLE}`);
  return {
    ask,
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
  // The controller does it too; but it may be away, and what the command left behind would go on changing things meanwhile.
  await processes.stop(session.lease.cleared.mutation);
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
  const patienceMs = /^(node|token)_revoked$/.test(reason.code) ? 0 : OUTCOME_MS_MAX;
  const view = await settled(mutation, { ...connection, clock: systemClock }, patienceMs);
  if (view !== undefined) {
    if (view.stage === 'rolled_back') sayRolledBack(session, view);
    else if (view.stage === 'quarantined')
      session.say(`quarantined: ${oneLine(view.reason?.message ?? '')} ${oneLine(view.reason?.hint ?? '')}`);
    const failed = view.stage === 'rolled_back' && ended.code !== 0 ? ended.code : EXIT_UNKNOWN;
    const code = view.stage === 'committed' ? 0 : failed;
    report(session, view, ended, code);
    return code;
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
