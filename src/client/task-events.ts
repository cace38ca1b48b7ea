import { createParser } from 'eventsource-parser';

import type { Client } from './client.ts';

/** What a task says, and how it stands. */
export type TaskEvent =
  | { readonly type: 'output'; readonly text: string }
  | {
      readonly type: 'state';
      readonly state: 'running' | 'done' | 'failed' | 'denied';
      readonly words?: string;
      readonly mutation?: string;
    };

/**
 * What is kept of a task's output, then what it says as it comes. Ends when the task has ended, or the connection breaks.
 *
 * @throws RefusedError `task_unknown` when nothing was heard of it
 */
export async function* taskEvents(
  client: Client,
  node: string,
  task: string,
  follow: boolean,
): AsyncGenerator<TaskEvent, void, undefined> {
  const response = await client.taskStream(node, task, follow);
  response.setEncoding('utf8');
  let found: TaskEvent[] = [];
  const parser = createParser({
    onEvent: ({ event, data }) => {
      const said = JSON.parse(data) as object;
      if (event === 'output' || event === 'state') found.push({ ...said, type: event } as TaskEvent);
    },
  });
  try {
    for await (const text of response) {
      parser.feed(String(text));
      const events = found;
      found = [];
      yield* events;
    }
  } catch {
    // A connection that breaks ends like one that closes: whoever follows asks again.
  } finally {
    response.destroy();
  }
}
