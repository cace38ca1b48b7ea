import { lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import { completedWords, type TaskResult } from '../../core/task/ending.ts';
import type { MutationView } from '../../wire/http.ts';
import { type Claim, recall } from './claim.ts';
import { claimedTasks, completeShelving, shelve } from './shelf.ts';
import type { Room } from './taking.ts';

/**
 * Ends what lies claimed: the node died, or could not learn how the work ended. Nothing is run again. What was committed is done; the
 * rest was interrupted, and is undone by the controller.
 *
 * @param running what lies claimed because it runs
 * @returns why some of it cannot be ended yet; undefined when nothing is left
 */
export async function recover(room: Room, running: ReadonlySet<string>): Promise<string | undefined> {
  for (const task of await claimedTasks(room.folders)) {
    if (running.has(task)) continue;
    const waits = await endOf(task, room);
    if (waits !== undefined) return `${task}: ${waits}`;
  }
  // Copies of what ran when the node died: nothing of it runs any more.
  if (room.scratch !== undefined && running.size === 0) await rm(room.scratch, { recursive: true, force: true });
  return undefined;
}

async function endOf(task: string, room: Room): Promise<string | undefined> {
  const { folders, log } = room;
  const claim = await recall(folders, task);
  const ended = await completeShelving(folders, task, claim?.mutation);
  if (ended !== undefined) {
    log.info({ task, mutation: ended.mutation, outcome: ended.outcome }, ended.words);
    return undefined;
  }
  if (claim === undefined) return interrupted(task, room, undefined, undefined);
  // Its processes may have outlived the node, and the controller may have no way to them.
  const gone = await room.reach.stop(claim.mutation);
  if (!gone.ok) return gone.error.message;
  const view = await finalView(claim, room).catch((error: unknown) => refusedBy(error));
  if ('code' in view) {
    if (view.code !== 'mutation_unknown') return view.message;
    return interrupted(task, room, claim, undefined);
  }
  return view.stage === 'committed' ? committed(task, room, claim, view) : interrupted(task, room, claim, view);
}

/** How its mutation ended. One that is still open is ended here: whoever held it is gone. */
async function finalView({ mutation, fence }: Claim, { desk }: Room): Promise<MutationView | Refusal> {
  const view = await desk.show(mutation);
  if (['committed', 'rolled_back', 'quarantined', 'denied', 'cancelled'].includes(view.stage)) return view;
  if (view.stage === 'cleared') return desk.rollback(mutation, fence);
  return refusal('dataset_busy', `Its mutation ${mutation} is ${view.stage.replaceAll('_', ' ')} yet.`);
}

async function committed(
  task: string,
  room: Room,
  { mutation, snapshot, claimedAt }: Claim,
  view: MutationView,
): Promise<undefined> {
  const { node, folders, clock, log, feed } = room;
  const endedAt = new Date(clock.now()).toISOString();
  const words = completedWords(task);
  await shelve(folders, {
    task,
    node,
    outcome: 'done',
    words,
    claimedAt,
    endedAt,
    mutation,
    snapshot,
    stage: 'committed',
    ...traceOf(view),
  });
  log.info({ task, mutation }, `${words} (found out after a restart)`);
  feed.end(task, 'done', words);
}

async function interrupted(
  task: string,
  room: Room,
  claim: Claim | undefined,
  view: MutationView | undefined,
): Promise<undefined> {
  const { node, folders, clock, log, feed } = room;
  const reason = refusal('task_interrupted', became(claim, view));
  const endedAt = new Date(clock.now()).toISOString();
  const result: TaskResult = {
    ...{
      task,
      node,
      outcome: 'failed',
      interrupted: true,
      words: `Surgery ${task} was interrupted: ${reason.message}`,
    },
    ...{ claimedAt: claim?.claimedAt ?? (await claimedAtOf(join(folders.claimed, task))), endedAt, reason },
    ...(claim === undefined ? {} : { mutation: claim.mutation, snapshot: claim.snapshot }),
    ...(view === undefined
      ? {}
      : { stage: view.stage, evidence: view.evidence.map(({ path }) => path), ...traceOf(view) }),
  };
  await shelve(folders, result);
  log.warn({ task, mutation: claim?.mutation, hint: reason.hint }, result.words);
  feed.end(task, 'failed', result.words);
}

function traceOf({ traceparent }: MutationView): Pick<TaskResult, 'traceparent'> {
  return traceparent === undefined ? {} : { traceparent };
}

function became(claim: Claim | undefined, view: MutationView | undefined): string {
  if (claim === undefined) return 'The node ended before it had begun; nothing was executed.';
  if (view === undefined)
    return `The node ended while it ran, and the controller knows nothing of mutation ${claim.mutation}.`;
  if (view.stage === 'quarantined')
    return 'The node ended while it ran. The locks stay until a person decides: "hauki resolve".';
  return 'The node ended while it ran; the state was put back.';
}

/** When its name was changed last, which was the claim. */
async function claimedAtOf(path: string): Promise<string> {
  return (await lstat(path)).ctime.toISOString();
}

function refusedBy(error: unknown): Refusal {
  return error instanceof RefusedError ? error.refusal : refusal('internal', String(error));
}
