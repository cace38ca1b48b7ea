import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { refusal, RefusedError } from '../../base/refusal.ts';
import { LOG, RESULT, CLAIM, inOrder, isPassing } from '../../core/task/name.ts';
import type { TaskResult } from '../../core/task/ending.ts';
import { taskEvents } from '../../client/task-events.ts';
import type { MutationView } from '../../wire/http.ts';
import { calling, connect } from '../connect.ts';
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
  const result = spool === undefined ? undefined : await resultOf(spool, task);
  if (result !== undefined) {
    if (options.json) printJson(result);
    else printText(described(result));
    return 0;
  }
  const all = spool === undefined ? await known(node, options) : await lying(spool);
  const found = all.findLast((one) => one.task === task);
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
    const result = spool === undefined ? undefined : await resultOf(spool, task);
    if (spool !== undefined && result !== undefined) {
      await printFile(join(spool, result.outcome, task + LOG));
      if (options.follow) say(oneLine(result.words));
      return options.follow ? EXIT[result.outcome] : 0;
    }
    try {
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

async function resultOf(spool: string, task: string): Promise<TaskResult | undefined> {
  const waits = await readdir(join(spool, 'inbox')).catch(() => [] as string[]);
  const runs = await readdir(join(spool, 'claimed')).catch(() => [] as string[]);
  // One of the same name that is under way is the one that is meant.
  if (waits.includes(task) || runs.includes(task)) return undefined;
  for (const folder of ENDED) {
    const result = await resultIn(join(spool, folder), task);
    if (result !== undefined) return result;
  }
  return undefined;
}

async function resultIn(folder: string, task: string): Promise<TaskResult | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, task + RESULT), 'utf8')) as TaskResult;
  } catch {
    return undefined;
  }
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
