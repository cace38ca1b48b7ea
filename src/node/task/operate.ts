import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { formatDuration } from '../../base/duration.ts';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Ended, Reach } from '../../ports/reach.ts';
import type { Guarded } from '../guarded.ts';
import type { Surgeon, Surgery } from './judge.ts';
import type { TaskLog } from './log.ts';

export interface Theatre {
  readonly reach: Reach;
  readonly surgeon: Surgeon;
  /** Where what is run lies on this host; undefined: the reach leads elsewhere, and it is brought there. */
  readonly scratch: string | undefined;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Called before anything runs. @returns what ends all that runs under a mutation */
  readonly sweeping: () => Promise<Reach['stop']>;
}

/** Runs a cleared task and its `verify`, and leaves nothing of it running. Refused: it has failed. */
export async function operate(
  surgery: Surgery,
  guarded: Pick<Guarded, 'mutation' | 'env' | 'signal'>,
  log: TaskLog,
  { reach, surgeon, scratch, timeoutMs, clock, sweeping }: Theatre,
): Promise<Result<void, Refusal>> {
  const { name, header, root } = surgery;
  const limitMs = header.timeoutMs ?? timeoutMs;
  const endMono = clock.mono() + limitMs;
  const run = async (argv: readonly string[], what: string): Promise<Result<void, Refusal>> => {
    const ran = await reach.run({
      argv,
      env: { ...guarded.env, HAUKI_TASK: name },
      ...(root === undefined ? {} : { cwd: root }),
      mutation: guarded.mutation,
      signal: guarded.signal,
      timeoutMs: Math.max(1, endMono - clock.mono()),
      stdout: log,
      stderr: log,
    });
    if (!ran.ok && ran.error.code === 'command_stopped' && !guarded.signal.aborted)
      return failed(`${what} was ended: its time of ${formatDuration(limitMs)} is up`);
    return ran.ok ? verdictOn(ran.value, what) : ran;
  };

  const sweep = await sweeping();
  const worked = surgery.patch === undefined ? await runScript() : await patched();
  const verified = worked.ok && header.verify !== undefined ? await run(header.verify, `verify of ${name}`) : worked;
  // What it left in the background would go on changing what is committed.
  const gone = await sweep(guarded.mutation);
  if (gone.ok && gone.value.stopped > 0) log.note(`${gone.value.stopped} processes that it left behind were ended`);
  if (!verified.ok) return verified;
  return gone.ok ? ok(undefined) : gone;

  async function runScript(): Promise<Result<void, Refusal>> {
    const placed = await place(surgery, reach, scratch);
    if (!placed.ok) return placed;
    try {
      return await run([placed.value.path], name);
    } finally {
      await placed.value.remove();
    }
  }

  async function patched(): Promise<Result<void, Refusal>> {
    const limit = AbortSignal.any([guarded.signal, AbortSignal.timeout(limitMs)]);
    return surgeon.applyPatch(surgery.patch, root ?? '/', limit);
  }
}

interface Placed {
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** The very bytes that were judged, where nobody else writes, to be executed. */
async function place(
  { name, bytes }: Surgery,
  reach: Reach,
  scratch: string | undefined,
): Promise<Result<Placed, Refusal>> {
  const id = randomBytes(8).toString('hex');
  if (scratch === undefined) {
    const path = `/var/tmp/.hauki-task-${id}`;
    const put = await reach.put(path, bytes, 0o700);
    const remove = async (): Promise<void> => void (await reach.run({ argv: ['rm', '-f', path] }));
    return put.ok ? ok({ path, remove }) : put;
  }
  const folder = join(scratch, id);
  const path = join(folder, name);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(path, bytes, { mode: 0o700, flag: 'wx' });
    await chmod(path, 0o700);
  } catch (error) {
    return err(refusal('file_failed', `The task cannot be made ready to run: ${(error as Error).message}.`));
  }
  return ok({ path, remove: () => rm(folder, { recursive: true, force: true }) });
}

function verdictOn({ code, signal }: Ended, what: string): Result<void, Refusal> {
  if (code === 0) return ok(undefined);
  return failed(signal === undefined ? `${what} ended with exit code ${code}` : `${what} was ended by ${signal}`);
}

function failed(words: string): Result<never, Refusal> {
  return err(refusal('task_failed', `${words}.`));
}
