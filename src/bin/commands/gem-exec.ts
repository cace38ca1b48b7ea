import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';

import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import { type Gem, parseGem } from '../../core/gem/gem.ts';
import { MUTATION_VARIABLE } from '../../ports/processes.ts';
import type { NodeView } from '../../wire/mesh.ts';
import { systemClock } from '../clock.ts';
import { calling, connect, type Connection } from '../connect.ts';
import { contexts } from '../gem/contexts.ts';
import { describePlan, missingPlaces, planOf, type Step } from '../gem/plan.ts';
import { type Done, runBlock, undoAll } from '../gem/run.ts';
import { absolute } from '../home.ts';
import { exitCodeOf, oneLine, printJson, printRefusal, printText, say } from '../output.ts';
import { usage } from './asking.ts';
import { ENDING } from './clearance.ts';
import { STORAGE_LABEL } from './guard.ts';

export interface GemOptions {
  readonly via?: readonly string[];
  readonly node?: string;
  readonly dataset?: readonly string[];
  readonly path?: readonly string[];
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly undoAll?: boolean;
  readonly controller?: string;
  readonly knownHosts?: string;
  readonly identity?: string;
  readonly sshConfig?: string;
  readonly json?: boolean;
}

const EXIT_FAILED = 1;
const EXIT_UNKNOWN = 70;
const EXIT_DENIED = 75;

/** `hauki exec FILE`: runs the command blocks of a text, each where it is meant for, under guard. @returns the exit code */
export async function gemExec(file: string, options: GemOptions): Promise<number> {
  const { json = false, dryRun = false } = options;
  const outer = process.env[MUTATION_VARIABLE];
  if (outer !== undefined)
    throw usage(
      `This runs under mutation ${outer} already, and each block wants a clearance of its own.`,
      'Run it outside of a guard.',
    );
  const gem = parsed(file);
  const connection = connect(options.controller);
  const steps = await planned(gem, connection, options);
  const missing = await missingPlaces(steps);
  if (json && dryRun)
    printJson({
      status: missing.length === 0 ? 'planned' : 'denied',
      blocks: steps.map(viewOf),
      passed: gem.passed,
      missing,
    });
  if (!json) (dryRun ? printText : sayAll)(describePlan(steps, gem));
  const [first] = missing;
  if (first !== undefined) {
    if (!json) for (const one of missing) printRefusal(one, false);
    else if (!dryRun) printRefusal(first, true);
    return exitCodeOf(new RefusedError(first));
  }
  if (dryRun) return 0;
  await agreed(steps, options, file);
  return execute(steps, connection, options);
}

/** @throws RefusedError `gem_invalid`, or `usage` for a file that cannot be read */
function parsed(file: string): Gem {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw usage(
      `${oneLine(file)} cannot be read: ${(error as Error).message}.`,
      'Name a text with command blocks, or - for stdin. A command stands behind "--": hauki exec --via local -- ls',
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new RefusedError(refusal('gem_invalid', `${oneLine(file)} is no text: it is not UTF-8.`));
  }
  const gem = parseGem(text);
  if (!gem.ok) throw new RefusedError(gem.error);
  return gem.value;
}

async function planned(gem: Gem, connection: Connection, options: GemOptions): Promise<readonly Step[]> {
  const { knownHosts, identity, sshConfig } = options;
  return planOf(gem, {
    node: options.node,
    datasets: [...(options.path ?? []).map(absolute), ...(options.dataset ?? [])],
    contextOf: contexts(options.via ?? [], process.env),
    ssh: {
      ...(knownHosts === undefined ? {} : { knownHosts }),
      ...(identity === undefined ? {} : { identity }),
      ...(sshConfig === undefined ? {} : { config: sshConfig }),
    },
    nodes: await registered(connection),
  });
}

/** Who may not see the register does without it: then everything has to be said. */
async function registered(connection: Connection): Promise<readonly NodeView[]> {
  try {
    return (await calling(connection, (client) => client.nodes())).nodes;
  } catch (error) {
    if (error instanceof RefusedError && error.code === 'forbidden') return [];
    throw error;
  }
}

/** @throws RefusedError `gem_declined` */
async function agreed(steps: readonly Step[], { yes, undoAll, json }: GemOptions, file: string): Promise<void> {
  if (yes) return;
  if (json || !process.stdin.isTTY || !process.stderr.isTTY || file === '-')
    throw new RefusedError(
      refusal('gem_declined', 'There is no terminal to ask whether this plan is meant. Nothing was executed.'),
    );
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const undoing = undoAll
    ? 'if one fails, those before it are undone too'
    : 'those before one that fails stay as they are';
  try {
    const question = `hauki: run ${steps.length === 1 ? 'this block' : `these ${steps.length} blocks; ${undoing}`}? [y/N] `;
    // Ctrl-D is no answer, and so a no.
    const answer = await lines.question(question).catch(() => '');
    if (/^y(?:es)?$/i.test(answer.trim())) return;
  } finally {
    lines.close();
  }
  throw new RefusedError(refusal('gem_declined', 'The plan was not agreed to. Nothing was executed.'));
}

async function execute(steps: readonly Step[], { client }: Connection, options: GemOptions): Promise<number> {
  const { json = false } = options;
  const talk = (text: string): void => (json ? undefined : say(text));
  const abort = new AbortController();
  let stoppedBy: NodeJS.Signals | undefined;
  for (const signal of Object.keys(ENDING) as NodeJS.Signals[])
    process.on(signal, () => {
      if (stoppedBy === undefined) talk(`${signal}: stopping the block that runs, and putting its state back …`);
      stoppedBy ??= signal;
      abort.abort(new RefusedError(refusal('cancelled', `It was stopped by ${signal}.`)));
    });
  // A reader that goes away ends the block; it must not end us before that.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

  let done: Done[] = [];
  for (const [index, step] of steps.entries()) {
    if (done.some(({ state }) => state !== 'committed') || abort.signal.aborted) {
      done.push({ step, state: 'not_run' });
      continue;
    }
    const name = `block ${index + 1} of ${steps.length}`;
    talk(`${name}: node ${step.node}, in ${step.reach.name} …`);
    const result = await runBlock(step, {
      client,
      clock: systemClock,
      signal: abort.signal,
      // With --json, stdout belongs to the one document.
      stdout: json ? process.stderr : process.stdout,
      stderr: process.stderr,
      onCleared: (_, { snapshots, node, driver }) => {
        for (const snapshot of snapshots)
          talk(
            `Lock secured. ${STORAGE_LABEL[driver] ?? driver} Snapshot '${oneLine(snapshot)}' captured for '${node}'.`,
          );
      },
    });
    done.push(result);
    talk(`${name}: ${describe(result)}`);
  }
  const whole = done.every(({ state }) => state === 'committed');
  if (!whole && options.undoAll && done.some(({ state }) => state === 'committed')) {
    talk('undoing the blocks before it, the newest first …');
    done = [...(await undoAll(done, client))];
  }
  const exitCode = exitCodeFor(done, stoppedBy, options.undoAll ?? false);
  if (json) printJson({ status: statusOf(done, stoppedBy), blocks: done.map(resultOf), exitCode });
  else if (!whole || steps.length > 1) sayResults(done);
  return exitCode;
}

/** 0 all committed · 1 stopped at a block · 70 a person has to look · 75 nothing was executed · 128+n by a signal. */
function exitCodeFor(done: readonly Done[], stoppedBy: NodeJS.Signals | undefined, undoing: boolean): number {
  const states = new Set(done.map(({ state }) => state));
  if (states.has('unknown') || states.has('quarantined')) return EXIT_UNKNOWN;
  const stopped = states.size > 1 || !states.has('committed');
  if (undoing && stopped && states.has('committed')) return EXIT_UNKNOWN;
  if (stoppedBy !== undefined && stopped) return ENDING[stoppedBy] ?? EXIT_FAILED;
  if (!stopped) return 0;
  const [first] = done;
  if (first?.state === 'denied') return first.reason === undefined ? EXIT_DENIED : deniedCode(first.reason);
  return EXIT_FAILED;
}

/** Whatever the code means elsewhere: here nothing was executed. */
function deniedCode(reason: Refusal): number {
  const code = exitCodeOf(new RefusedError(reason));
  return code === EXIT_UNKNOWN ? EXIT_DENIED : code;
}

function statusOf(done: readonly Done[], stoppedBy: NodeJS.Signals | undefined): string {
  if (done.every(({ state }) => state === 'committed')) return 'committed';
  if (stoppedBy !== undefined) return 'interrupted';
  return done[0]?.state === 'denied' ? 'denied' : 'failed';
}

function describe({ state, mutation, reason, evidence = [] }: Done): string {
  const why = reason === undefined ? '' : `: ${oneLine(reason.message)} (${reason.code})`;
  const hint = reason === undefined || state === 'rolled_back' ? '' : ` ${oneLine(reason.hint)}`;
  const kept = evidence.length === 0 ? '' : `; the failed state is kept in ${evidence.map(oneLine).join(', ')}`;
  switch (state) {
    case 'committed':
      return `committed, mutation ${mutation}${reason === undefined ? '' : `, and could not be undone${why}${hint}`}`;
    case 'undone':
      return `undone, mutation ${mutation}`;
    case 'rolled_back':
      return `failed and rolled back, mutation ${mutation}${why}${kept}`;
    case 'quarantined':
    case 'unknown':
      return `${state}, mutation ${mutation}${why}${hint}`;
    case 'denied':
      return `denied, nothing of it was executed${why}${hint}`;
    case 'not_run':
      return 'not begun';
  }
}

function sayResults(done: readonly Done[]): void {
  for (const [index, one] of done.entries()) say(`block ${index + 1} (line ${one.step.block.line}): ${describe(one)}`);
}

function sayAll(text: string): void {
  for (const line of text.split('\n')) say(line);
}

function viewOf({ block, node, reach, datasets, intent }: Step): object {
  const { line, endLine, interpreter, mode = 'standard', timeoutMs, verify, script, sameAs } = block;
  const again = sameAs === undefined ? {} : { sameAs: sameAs + 1 };
  return {
    line,
    endLine,
    node,
    context: reach.name,
    datasets,
    intent,
    mode,
    interpreter,
    timeoutMs,
    script,
    verify,
    ...again,
  };
}

function resultOf({ step, ...rest }: Done): object {
  const { script: _, verify: __, ...view } = viewOf(step) as Record<string, unknown>;
  return { ...view, ...rest };
}
