import { join } from 'node:path';

import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import type { Result } from '../../base/result.ts';
import { traceFields } from '../../base/traceparent.ts';
import { completedWords, executingWords, isForLater, type Outcome, type TaskResult } from '../../core/task/ending.ts';
import type { Queued } from '../../core/task/lanes.ts';
import { LOG } from '../../core/task/name.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Reach } from '../../ports/reach.ts';
import { type Outcome as MutationOutcome, outcomeOf } from '../guarded.ts';
import { putBack, readClaimed, type Read, remember, takeFrom } from './claim.ts';
import type { Desk } from './desk.ts';
import type { Feed } from './feed.ts';
import type { Folders } from './folders.ts';
import type { Arrival } from './inbox.ts';
import { judge, type Judging, type Surgeon, type Surgery, type TaskRules } from './judge.ts';
import { TaskLog } from './log.ts';
import { operate } from './operate.ts';
import { shelve } from './shelf.ts';

export interface Room {
  readonly node: string;
  /** See Judging. */
  readonly spools: readonly string[];
  readonly folders: Folders;
  readonly rules: TaskRules;
  readonly desk: Desk;
  readonly reach: Reach;
  readonly surgeon: Surgeon;
  /** See Theatre. */
  readonly scratch: string | undefined;
  /** See Theatre. */
  readonly sweeping: () => Promise<Reach['stop']>;
  readonly feed: Feed;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each step, so that a test can end the process there. */
  readonly reached: (step: string) => void;
}

/**
 * `ended`: it is on a shelf. `later`: it is back in the inbox, for this reason. `changed`: back too, somebody writes to it. `stranded`: nothing
 * of it was run, and it could not be put back, since the spool cannot be used just now. `unknown`: see recovery.ts.
 */
export type Took =
  | { readonly how: 'ended' | 'gone' | 'changed' | 'unknown' }
  | { readonly how: 'later' | 'stranded'; readonly why: Refusal };

/** Whether anything of a task was run. */
interface Progress {
  begun: boolean;
}

export function judgingOf({ spools, rules, surgeon, scratch }: Room): Judging {
  return { spools, rules, surgeon, here: scratch !== undefined };
}

/**
 * One task from the inbox to its end.
 *
 * @param queued what it said it is to change, when its turn came
 * @throws when it has begun, or its end is known, and the spool cannot be used: recovery ends it
 */
export async function take(arrival: Arrival, queued: Queued, room: Room, signal: AbortSignal): Promise<Took> {
  const progress: Progress = { begun: false };
  try {
    return await taken(arrival, queued, room, signal, progress);
  } catch (error) {
    if (progress.begun || error instanceof Unshelved) throw error;
    return { how: 'stranded', why: reasonOf(error) };
  }
}

async function taken(
  arrival: Arrival,
  queued: Queued,
  room: Room,
  signal: AbortSignal,
  progress: Progress,
): Promise<Took> {
  const { folders, clock, reached } = room;
  const { name } = arrival;
  if (!(await takeFrom(folders, arrival))) return { how: 'gone' };
  const claimedAt = new Date(clock.now()).toISOString();
  reached('claimed');
  const read = await readClaimed(folders, arrival);
  if (read.ok && read.value === 'changed') return back(arrival, room, claimedAt, undefined);
  if (arrival.misnamed !== undefined) return denied(arrival, room, claimedAt, arrival.misnamed);
  if (!read.ok) return denied(arrival, room, claimedAt, read.error);
  const { bytes, sha256 } = read.value as Read;
  let judged: Result<Surgery, Refusal>;
  try {
    judged = await judge(name, read.value as Read, judgingOf(room));
  } catch (error) {
    // A full disk, or no process to be had: that is not the task's fault.
    return back(arrival, room, claimedAt, reasonOf(error));
  }
  if (!judged.ok) return denied(arrival, room, claimedAt, judged.error, sha256);
  // It was another one when its turn came; this one's has not.
  if (!isAs(queued, judged.value)) return back(arrival, room, claimedAt, undefined);
  room.log.info({ task: name, bytes: bytes.length, sha256, signer: judged.value.signer }, 'task claimed');
  return perform(arrival, judged.value, { claimedAt, sha256 }, room, signal, progress);
}

function isAs({ datasets, alone }: Queued, { datasets: judged, header }: Surgery): boolean {
  return alone || (header.mode !== 'critical' && judged.join('\n') === datasets.join('\n'));
}

type Facts = Pick<TaskResult, 'claimedAt'> & Partial<TaskResult>;

async function perform(
  arrival: Arrival,
  surgery: Surgery,
  known: Facts,
  room: Room,
  signal: AbortSignal,
  progress: Progress,
): Promise<Took> {
  const { name, header, datasets, signer } = surgery;
  const trace = header.traceparent === undefined ? {} : { traceparent: header.traceparent };
  const { desk, rules, folders, feed, reached, log } = room;
  const facts: { -readonly [K in keyof Facts]: Facts[K] } = {
    ...known,
    ...trace,
    ...(signer === undefined ? {} : { signer }),
  };
  const ask = {
    task: name,
    intent: header.intent ?? `execute ${name}`,
    datasets,
    mode: header.mode ?? 'standard',
    waitMs: rules.waitMs,
    ...trace,
  };
  try {
    reached('waiting');
    await desk.guard(
      ask,
      async (guarded) => {
        const { mutation, fence, snapshot, driver } = guarded;
        Object.assign(facts, { mutation, snapshot });
        reached('cleared');
        await remember(folders, name, { mutation, fence, snapshot, claimedAt: known.claimedAt });
        reached('remembered');
        const output = await TaskLog.open(
          join(folders.claimed, name + LOG),
          (chunk) => feed.say(name, chunk),
          (error) => log.warn({ task: name, mutation, why: error.message }, "a task's log could not be written"),
        );
        feed.begin(name, mutation);
        progress.begun = true;
        try {
          output.note(executingWords(name, driver));
          log.info(
            { task: name, mutation, snapshot, ...traceFields(header.traceparent) },
            executingWords(name, driver),
          );
          const worked = await operate(surgery, guarded, output, { ...room, timeoutMs: rules.timeoutMs });
          if (!worked.ok) output.note(worked.error.message);
          if (!worked.ok) throw new RefusedError(worked.error);
        } finally {
          await output.close();
        }
        reached('worked');
      },
      signal,
    );
  } catch (error) {
    const why = reasonOf(error);
    const outcome = outcomeOf(error);
    // Between clearance and work the spool could not be written.
    if (outcome !== undefined && !progress.begun && !(error instanceof RefusedError)) throw error;
    if (outcome?.stage === 'unknown') {
      log.error(
        { task: name, mutation: outcome.mutation, why: why.message },
        'nobody can say what became of a task yet',
      );
      return { how: 'unknown' };
    }
    if (progress.begun && outcome !== undefined) return failed(name, room, facts, why, outcome, signal.aborted);
    if (isForLater(why, signal.aborted)) return back(arrival, room, known.claimedAt, why);
    return end(room, 'denied', { ...facts, reason: why, words: `${name} was denied: ${why.message}`, task: name });
  }
  // What fails from here on cannot deny it any more: recovery ends it.
  reached('committed');
  return end(room, 'done', { ...facts, stage: 'committed', words: completedWords(name), task: name });
}

async function failed(
  name: string,
  room: Room,
  facts: Facts,
  why: Refusal,
  { stage, evidence }: MutationOutcome,
  stopped: boolean,
): Promise<Took> {
  const words =
    stage === 'rolled_back'
      ? `Surgery ${name} FAILED and was undone: ${why.message}`
      : `Surgery ${name} FAILED, and a person has to decide: ${why.message}`;
  const kept = evidence.map(({ path }) => path);
  const interrupted = stopped ? ({ interrupted: true } as const) : {};
  return end(room, 'failed', { ...facts, ...interrupted, stage, reason: why, evidence: kept, words, task: name });
}

/** Denied before anybody was asked: that it was is on record before it leaves the inbox for good. */
export async function denied(
  arrival: Arrival,
  room: Room,
  claimedAt: string,
  why: Refusal,
  sha256?: string,
): Promise<Took> {
  const { name } = arrival;
  try {
    await room.desk.report(name, why);
  } catch (error) {
    const unheard = reasonOf(error);
    if (isForLater(unheard, false)) return back(arrival, room, claimedAt, unheard);
    room.log.error({ task: name, why: unheard.message }, 'a denied task could not be put on record');
  }
  const words = `${name} was denied: ${why.message}`;
  return end(room, 'denied', {
    claimedAt,
    reason: why,
    words,
    task: name,
    ...(sha256 === undefined ? {} : { sha256 }),
  });
}

/**
 * Puts a task back of which nothing was run.
 *
 * @param why it has to wait; undefined: it was changed
 */
export async function back(arrival: Arrival, room: Room, claimedAt: string, why: Refusal | undefined): Promise<Took> {
  const { name } = arrival;
  const put = await putBack(room.folders, arrival);
  if (put === 'gone') return { how: 'gone' };
  if (put === 'back') return why === undefined ? { how: 'changed' } : { how: 'later', why };
  const replaced = refusal(
    'task_invalid',
    'A newer one of its name was dropped before it could be run.',
    'Nothing to do: the newer one is run.',
  );
  return end(room, 'denied', {
    claimedAt,
    reason: replaced,
    words: `${name} was denied: ${replaced.message}`,
    task: name,
  });
}

async function end(
  { node, folders, clock, log, feed, reached }: Room,
  outcome: Outcome,
  facts: Facts & Pick<TaskResult, 'task' | 'words'>,
): Promise<Took> {
  const { task, words, claimedAt, ...more } = facts;
  const result = { task, node, outcome, words, claimedAt, endedAt: new Date(clock.now()).toISOString(), ...more };
  await shelve(folders, result).catch((error: unknown) => {
    throw new Unshelved(`its result could not be put beside it: ${String(error)}`);
  });
  reached('shelved');
  const said = {
    task,
    mutation: facts.mutation,
    code: facts.reason?.code,
    hint: facts.reason?.hint,
    ...traceFields(facts.traceparent),
  };
  if (outcome === 'done') log.info(said, words);
  else log.warn(said, words);
  feed.end(task, outcome, words);
  return { how: 'ended' };
}

/** How it ended is known, and could not be written: it must not be taken for one that waits. */
class Unshelved extends Error {}

function reasonOf(error: unknown): Refusal {
  return error instanceof RefusedError ? error.refusal : refusal('internal', String(error));
}
