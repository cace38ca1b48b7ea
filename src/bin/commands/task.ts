import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { refusal, RefusedError } from '../../base/refusal.ts';
import { LOG, RESULT, CLAIM, inOrder, isPassing } from '../../core/task/name.ts';
import type { TaskResult } from '../../core/task/ending.ts';
import { taskEvents } from '../../client/task-events.ts';
import { readObject } from '../../node/heartbeat/file.ts';
import type { MutationView } from '../../wire/http.ts';
import { calling, connect, type Connection } from '../connect.ts';
import { oneLine, printJson, printRaw, printText, readerIsGone, say, table } from '../output.ts';
import { spoolOf } from '../spool.ts';

export interface TaskOptions {
  readonly spool?: string;
  readonly controller?: string;
  readonly json?: boolean;
}

export interface LogOptions extends TaskOptions {
  readonly follow?: boolean;
}

/** A task as `list` shows it. */
interface Listed {
  readonly task: string;
  readonly state: string;
  readonly words: string;
  readonly mutation?: string;
}

const ENDED = ['done', 'failed', 'denied'] as const;
const EXIT = { done: 0, failed: 70, denied: 75, running: 0 } as const;
const LOOK_AGAIN_MS = 300;
/** Of the ledger's newest mutations, so many are looked through for tasks. */
const MUTATIONS = 500;

/** `hauki task list`: from the spool where it is here, else what the controller knows. */
export async function taskList(node: string, options: TaskOptions): Promise<number> {
  const spool = await spoolOf(node, options.spool);
  const tasks = spool === undefined ? await known(node, options) : await lying(spool);
  if (options.json) printJson({ node, ...(spool === undefined ? {} : { spool }), tasks });
  else if (tasks.length === 0) printText(`no tasks; "hauki task drop ${node} FILE" drops one`);
  else
    printText(
      table(
        ['TASK', 'STATE', 'WHAT BECAME OF IT'],
        tasks.map(({ task, state, words }) => [task, state, words]),
      ),
    );
  return 0;
}

/** `hauki task show`: what became of one. */
export async function taskShow(node: string, task: string, options: TaskOptions): Promise<number> {
  const spool = await spoolOf(node, options.spool);
  const stand = spool === undefined ? undefined : await standIn(spool, task);
  if (stand?.how === 'ended') {
    if (options.json) printJson(stand.result);
    else printText(described(stand.result));
    return 0;
  }
  const isIt = (one: Listed): boolean => one.task === task;
  const found = spool === undefined ? (await known(node, options)).findLast(isIt) : (await lying(spool)).find(isIt);
  if (found === undefined) throw unknown(node, task);
  if (options.json) printJson({ node, ...found });
  else
    printText(
      [
        `task       ${oneLine(task)}`,
        `state      ${found.state}`,
        ...(found.words === '' ? [] : [`            ${oneLine(found.words)}`]),
        ...(found.mutation === undefined ? [] : [`mutation   ${found.mutation}`]),
      ].join('\n'),
    );
  return 0;
}

/** `hauki task logs`: what one says or said. @returns with --follow 0 when it is done, 70 when it failed, 75 when it was denied */
export async function taskLogs(node: string, task: string, options: LogOptions): Promise<number> {
  const spool = await spoolOf(node, options.spool);
  const connection = connect(options.controller);
  for (let looks = 0; ; looks += 1) {
    const stand = spool === undefined ? undefined : await standIn(spool, task);
    if (stand?.how === 'ended') {
      await printFile(stand.log);
      if (options.follow) say(oneLine(stand.result.words));
      return options.follow ? EXIT[stand.result.outcome] : 0;
    }
    try {
      if (stand !== undefined) await heardOf(connection, node, task, stand);
      let state: keyof typeof EXIT = 'running';
      for await (const event of taskEvents(connection.client, node, task, options.follow === true)) {
        if (event.type === 'output') printRaw(event.text);
        else {
          state = event.state;
          if (event.words !== undefined && options.follow) say(oneLine(event.words));
        }
        if (readerIsGone()) return 0;
      }
      if (!options.follow) return 0;
      if (state !== 'running') return EXIT[state];
    } catch (error) {
      const waits = error instanceof RefusedError && ['task_unknown', 'controller_unreachable'].includes(error.code);
      if (!waits || !options.follow) throw error;
      if (looks === 0) say(`nothing is heard of ${oneLine(task)} yet; waiting …`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

async function lying(spool: string): Promise<Listed[]> {
  const listed: Listed[] = [];
  for (const folder of ['inbox', 'claimed', ...ENDED] as const) {
    const names = await readdir(join(spool, folder)).catch((error: unknown) => {
      throw new RefusedError(refusal('spool_missing', `The spool cannot be read: ${(error as Error).message}.`));
    });
    const tasks = names.filter((name) => !isPassing(name) && ![LOG, RESULT, CLAIM].some((end) => name.endsWith(end)));
    for (const task of inOrder(tasks)) {
      const result = ENDED.some((one) => one === folder) ? await resultIn(join(spool, folder), task) : undefined;
      const state = folder === 'inbox' ? 'waits' : folder === 'claimed' ? 'running' : folder;
      const mutation = result?.mutation === undefined ? {} : { mutation: result.mutation };
      listed.push({ task, state, words: result?.words ?? '', ...mutation });
    }
  }
  return listed;
}

/** What the controller's ledger has of a node's tasks, oldest first, and what was heard of them since it started. */
async function known(node: string, { controller }: TaskOptions): Promise<Listed[]> {
  const connection = connect(controller);
  const { mutations } = await calling(connection, (client) => client.log({ node, limit: String(MUTATIONS) }));
  const { tasks } = await calling(connection, (client) => client.tasks(node));
  const recorded = mutations.toReversed().flatMap((one) => (one.task === undefined ? [] : [listedOf(one, one.task)]));
  const heard = tasks
    .filter(({ mutation }) => !recorded.some((one) => one.mutation === mutation))
    .map(({ task, state, words = '', mutation }) => ({
      task,
      state,
      words,
      ...(mutation === undefined ? {} : { mutation }),
    }));
  return [...recorded, ...heard];
}

function listedOf({ stage, reason, mutation }: MutationView, task: string): Listed {
  return { task, state: stage.replaceAll('_', ' '), words: reason?.message ?? '', mutation };
}

/** How a task stands in its spool; one that waits or runs is the one that is meant, whatever became of earlier ones of its name. */
type Stand =
  | { readonly how: 'waits' | 'runs'; readonly mutation?: unknown }
  | { readonly how: 'ended'; readonly result: TaskResult; readonly log: string };

async function standIn(spool: string, task: string): Promise<Stand | undefined> {
  const namesIn = (folder: string): Promise<string[]> => readdir(join(spool, folder)).catch(() => []);
  // In the order in which a task goes through them, so that it is not missed.
  if ((await namesIn('inbox')).includes(task)) return { how: 'waits' };
  if ((await namesIn('claimed')).includes(task)) {
    const claim = await readObject(join(spool, 'claimed', task + CLAIM));
    return { how: 'runs', mutation: claim?.['mutation'] };
  }
  const ended: Extract<Stand, { how: 'ended' }>[] = [];
  for (const folder of ENDED)
    for (const file of await namesIn(folder)) {
      const name = file.endsWith(RESULT) ? file.slice(0, -RESULT.length) : '';
      const isLater = name.startsWith(task) && STAMP.test(name.slice(task.length));
      const result = name === task || isLater ? await resultIn(join(spool, folder), name) : undefined;
      if (result === undefined || (isLater && result.task !== task)) continue;
      ended.push({ how: 'ended', result, log: join(spool, folder, name + LOG) });
    }
  return ended.toSorted((a, b) => (a.result.endedAt < b.result.endedAt ? -1 : 1)).at(-1);
}

/** What stands behind the name of a second one of its name. */
const STAMP = /^\.\d{8}_\d{6}_\d{3}$/;

/** @throws RefusedError `task_unknown` when the controller has heard of none, or of an earlier one of its name only */
async function heardOf({ client }: Connection, node: string, task: string, stand: Stand): Promise<void> {
  const mutation = stand.how === 'runs' ? stand.mutation : undefined;
  const heard = mutation === undefined ? [] : (await client.tasks(node)).tasks;
  if (!heard.some((one) => one.task === task && one.mutation === mutation)) {
    const yet = stand.how === 'waits' ? 'it waits' : 'it was taken, and has said nothing';
    throw new RefusedError(refusal('task_unknown', `Nothing was heard of ${task} of node ${node} yet: ${yet}.`));
  }
}

async function resultIn(folder: string, task: string): Promise<TaskResult | undefined> {
  return (await readObject(join(folder, task + RESULT))) as unknown as TaskResult | undefined;
}

function described(result: TaskResult): string {
  const { task, node, outcome, words, claimedAt, endedAt, signer, mutation, snapshot, stage, reason, evidence } =
    result;
  const facts: [string, string | undefined][] = [
    ['task', `${task} of node ${node}`],
    ['outcome', outcome],
    ['', words],
    ['next', reason?.hint],
    ['claimed', claimedAt],
    ['ended', endedAt],
    ['signed by', signer],
    ['mutation', mutation && `${mutation}${stage === undefined ? '' : `, ${stage.replaceAll('_', ' ')}`}`],
    ['snapshot', snapshot],
    ['evidence', evidence?.join(', ') || undefined],
  ];
  const said = facts.flatMap(([label, value]) =>
    value === undefined ? [] : [`${label.padEnd(10)} ${oneLine(value)}`],
  );
  return said.join('\n');
}

async function printFile(path: string): Promise<void> {
  try {
    for await (const chunk of createReadStream(path, 'utf8')) printRaw(String(chunk));
  } catch (error) {
    // A task that was denied said nothing.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function unknown(node: string, task: string): RefusedError {
  return new RefusedError(refusal('task_unknown', `Nothing is known of a task ${task} of node ${node}.`));
}
