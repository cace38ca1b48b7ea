import { formatDuration } from '../../base/duration.ts';
import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import type { CommandAsk, Ran } from '../../ports/mcp.ts';
import type { Reach } from '../../ports/reach.ts';
import type { MutationAsk } from '../../wire/http.ts';
import { guarded, type Guarded, type GuardOptions, outcomeOf } from '../guarded.ts';
import { Excerpt } from './excerpt.ts';

interface RunOptions extends Pick<GuardOptions, 'client' | 'clock'> {
  readonly reach: Reach;
  readonly signal: AbortSignal;
}

/** Of each output, so many bytes from its beginning and from its end. */
const SAID_BYTES_MAX = 8 * 1024;

/**
 * Freezes, runs a command, and commits when it ends with 0; else the change is undone. What it leaves running is ended before that.
 *
 * @throws RefusedError when it was denied: then nothing was run
 */
export async function runGuarded(ask: MutationAsk, command: CommandAsk, options: RunOptions): Promise<Ran> {
  const { client, clock, reach, signal } = options;
  const [stdout, stderr] = [new Excerpt(SAID_BYTES_MAX), new Excerpt(SAID_BYTES_MAX)];
  let clearance: Guarded | undefined;
  let ended: { readonly exitCode?: number; readonly signal?: string } = {};

  const work = async (cleared: Guarded): Promise<void> => {
    clearance = cleared;
    const { mutation, env } = cleared;
    const ran = await reach.run({
      argv: command.argv,
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
      env,
      mutation,
      timeoutMs: command.timeoutMs,
      signal: cleared.signal,
      stdout,
      stderr,
    });
    if (ran.ok)
      ended = { exitCode: ran.value.code, ...(ran.value.signal === undefined ? {} : { signal: ran.value.signal }) };
    // What it left in the background would go on changing what is committed.
    const swept = await reach.stop(mutation);
    if (!ran.ok) throw new RefusedError(timedOut(ran.error, command, cleared.signal));
    if (ran.value.code !== 0) throw new FailedCommand();
    if (!swept.ok) throw new RefusedError(swept.error);
  };

  const result = (more: Pick<Ran, 'stage'> & Partial<Ran>): Ran => ({
    evidence: [],
    mutation: clearance?.mutation ?? '',
    snapshot: clearance?.snapshot ?? '',
    ...ended,
    stdout: stdout.said,
    stderr: stderr.said,
    ...more,
  });
  try {
    await guarded(ask, work, { client, clock, signal });
    return result({ stage: 'committed' });
  } catch (error) {
    const outcome = outcomeOf(error);
    // Nothing was begun.
    if (outcome === undefined) throw error;
    const why = error instanceof RefusedError ? error.refusal : outcome.reason;
    return result({
      stage: outcome.stage,
      evidence: outcome.evidence.map(({ path }) => path),
      ...(why === undefined ? {} : { reason: why }),
    });
  }
}

/** The command ended with another code than 0. */
class FailedCommand extends Error {}

function timedOut(reason: Refusal, { timeoutMs }: CommandAsk, signal: AbortSignal): Refusal {
  if (reason.code !== 'command_stopped' || signal.aborted) return reason;
  return refusal('command_stopped', `The command was ended: its time of ${formatDuration(timeoutMs)} is up.`);
}
