import { randomBytes } from 'node:crypto';
import type { Writable } from 'node:stream';

import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import type { Client } from '../../client/client.ts';
import { type Guarded, guarded, outcomeOf } from '../../node/guarded.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Step } from './plan.ts';

/** What became of a block. */
export interface Done {
  readonly step: Step;
  /** `denied` and `not_run`: nothing of it was executed. `undone`: it had been committed, and was rolled back after that. */
  readonly state: 'committed' | 'rolled_back' | 'quarantined' | 'unknown' | 'denied' | 'not_run' | 'undone';
  readonly mutation?: string;
  readonly snapshots?: readonly string[];
  /** Of a block that failed. */
  readonly exitCode?: number;
  readonly reason?: Refusal;
  /** Where the failed state is kept. */
  readonly evidence?: readonly string[];
}

export interface RunOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** Ends the block that runs; it is undone, and no other is begun. */
  readonly signal: AbortSignal;
  /** Where the blocks' output goes. */
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly onCleared: (step: Step, guarded: Guarded) => void;
}

/** It ran, and said no. */
class Failed extends Error {
  readonly exitCode: number;

  constructor(what: string, exitCode: number) {
    super(`${what} ended with exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/**
 * Runs a block under guard, in its place: committed when all its commands and its verification succeed, else put back.
 * Never throws for what the block, its place or the controller does.
 */
export async function runBlock(step: Step, options: RunOptions): Promise<Done> {
  const { block, node, datasets, intent } = step;
  const { client, clock, signal } = options;
  let clearance: Guarded | undefined;
  const mode = block.mode === 'critical' ? { mode: block.mode } : {};
  try {
    await guarded(
      { intent, node, datasets: [...datasets], ...mode },
      async (cleared) => {
        clearance = cleared;
        options.onCleared(step, cleared);
        await runScript(step, block.script, 'the block', cleared, options);
        if (block.verify !== undefined) await runScript(step, block.verify, 'the verification', cleared, options);
      },
      { client, clock, signal },
    );
    return { step, state: 'committed', ...clearedAs(clearance) };
  } catch (error) {
    const outcome = outcomeOf(error);
    const reason = error instanceof RefusedError ? error.refusal : refusal('command_stopped', wordsOf(error));
    if (clearance === undefined || outcome === undefined) return { step, state: 'denied', reason };
    return {
      step,
      state: outcome.stage,
      ...clearedAs(clearance),
      ...(error instanceof Failed ? { exitCode: error.exitCode } : {}),
      reason: outcome.stage === 'quarantined' || outcome.stage === 'unknown' ? (outcome.reason ?? reason) : reason,
      evidence: outcome.evidence.map(({ path }) => path),
    };
  }
}

function clearedAs(cleared: Guarded | undefined): Pick<Done, 'mutation' | 'snapshots'> {
  return cleared === undefined ? {} : { mutation: cleared.mutation, snapshots: cleared.snapshots };
}

/*
 * A constant; the commands come by stdin, so that no length of theirs is too long, and are read to their end before the first is run, so that
 * none can read those after it. What breaks off on the way lacks the mark, and is not begun.
 */
const RUNNER =
  'hauki_text=$(cat); hauki_mark=$1; case $hauki_text in *"$hauki_mark") ;; *) echo "the commands did not arrive whole" >&2; exit 75 ;; esac; exec </dev/null; set --; eval "${hauki_text%"$hauki_mark"}"';

async function runScript(
  { block, reach }: Step,
  script: string,
  what: string,
  { mutation, env, signal }: Guarded,
  { stdout, stderr }: RunOptions,
): Promise<void> {
  const mark = `#${randomBytes(16).toString('hex')}`;
  const { HAUKI_MUTATION: _, ...rest } = env;
  const ran = await reach.run({
    argv: [block.interpreter, '-eu', '-c', RUNNER, 'gem-exec', mark],
    stdin: Buffer.from(`${script}\n${mark}`),
    env: rest,
    mutation,
    signal,
    stdout,
    stderr,
    ...(block.timeoutMs === undefined ? {} : { timeoutMs: block.timeoutMs }),
  });
  if (ran.ok && ran.value.code === 0) return;
  // What it left in the background, or what still runs of it after a connection broke, would go on changing what is put back.
  const stopped = await reach.stop(mutation);
  if (!stopped.ok) throw new RefusedError(stopped.error);
  if (ran.ok) throw new Failed(what, ran.value.code);
  throw new RefusedError(ran.error);
}

/** Rolls committed blocks back, the newest first; the first that cannot be is the last that is tried, since what came before it is under it. */
export async function undoAll(done: readonly Done[], client: Client): Promise<readonly Done[]> {
  const all = [...done];
  for (let at = all.length - 1; at >= 0; at -= 1) {
    const one = all[at];
    if (one?.state !== 'committed' || one.mutation === undefined) continue;
    try {
      const { evidence } = await client.rollback(one.mutation);
      all[at] = { ...one, state: 'undone', evidence: evidence.map(({ path }) => path) };
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      all[at] = { ...one, reason: error.refusal };
      break;
    }
  }
  return all;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? `${error.message}.` : String(error);
}
