import { readFileSync } from 'node:fs';
import { refusal, RefusedError } from '../../base/refusal.ts';
import type { WebhookView } from '../../wire/events.ts';
import { calling, connect } from '../connect.ts';
import { oneLine, printJson, printText, say, table } from '../output.ts';
import type { ReadOptions } from './history.ts';

/** Who is told by HTTP: `hauki webhook add`, `list`, `dead`, `retry`, `remove`. */

export interface AddOptions extends ReadOptions {
  readonly type?: string;
  readonly node?: string;
  readonly dataset?: string;
  readonly mutation?: string;
  readonly after?: string;
  readonly secretFile?: string;
}

export interface DeadOptions extends ReadOptions {
  readonly seq?: string;
}

export async function addWebhook(url: string, options: AddOptions): Promise<number> {
  const { type, node, dataset, mutation, after, secretFile } = options;
  const ask = {
    url,
    ...(type === undefined ? {} : { type }),
    ...(node === undefined ? {} : { node }),
    ...(dataset === undefined ? {} : { dataset }),
    ...(mutation === undefined ? {} : { mutation }),
    ...(after === undefined ? {} : { after: numberOf(after, '--after') }),
    ...(secretFile === undefined ? {} : { secret: secretIn(secretFile) }),
  };
  const added = await calling(connect(options.controller), (client) => client.addWebhook(ask));
  if (options.json) printJson(added);
  else {
    printText(`added: webhook ${added.webhook}`);
    if (added.secret !== undefined) {
      printText(`secret ${added.secret}`);
      say('the secret is shown only now: the receiver checks the signatures with it');
    }
  }
  return 0;
}

export async function listWebhooks(options: ReadOptions): Promise<number> {
  const list = await calling(connect(options.controller), (client) => client.webhooks());
  if (options.json) printJson(list);
  else if (list.webhooks.length === 0) printText('no webhooks');
  else printText(table(['WEBHOOK', 'STATE', 'AT', 'DEAD', 'EVENTS', 'URL'], list.webhooks.map(row)));
  return 0;
}

function row({
  webhook,
  state,
  cursor,
  dead,
  type,
  node,
  dataset,
  mutation,
  url,
  failing,
  disabled,
}: WebhookView): string[] {
  const filter = [type, node && `node ${node}`, dataset && `in ${dataset}`, mutation].filter(Boolean).join(' ');
  const wrong = disabled ?? (failing === undefined ? '' : `${failing.error} (try ${failing.tries})`);
  return [webhook, state, String(cursor), String(dead), filter || 'all', wrong === '' ? url : `${url}  ${wrong}`];
}

export async function deadLetters(webhook: string, options: ReadOptions): Promise<number> {
  const list = await calling(connect(options.controller), (client) => client.deadLetters(webhook));
  if (options.json) printJson(list);
  else if (list.dead.length === 0) printText('no dead letters');
  else {
    const rows = list.dead.map(({ seq, type, at, tries, error, again }) => [
      String(seq),
      type,
      at,
      String(tries),
      again ? `${error} (being tried again)` : error,
    ]);
    printText(table(['SEQ', 'TYPE', 'GIVEN UP', 'TRIES', 'WHY'], rows));
  }
  return 0;
}

export async function retryWebhook(webhook: string, options: DeadOptions): Promise<number> {
  const seq = options.seq === undefined ? undefined : numberOf(options.seq, '--seq');
  const { again } = await calling(connect(options.controller), (client) => client.retryWebhook(webhook, seq));
  if (options.json) printJson({ webhook, again });
  else printText(`${again === 1 ? '1 dead letter is' : `${again} dead letters are`} being tried again`);
  return 0;
}

export async function removeWebhook(webhook: string, options: ReadOptions): Promise<number> {
  const removed = await calling(connect(options.controller), (client) => client.removeWebhook(webhook));
  if (options.json) printJson(removed);
  else printText(`removed: webhook ${removed.webhook} to ${oneLine(removed.url)}`);
  return 0;
}

/** Never an argument: those can be read by everybody on this machine. */
function secretIn(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new RefusedError(refusal('usage', `The secret cannot be read: ${(error as Error).message}.`));
  }
}

function numberOf(text: string, option: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new RefusedError(
    refusal('usage', `${option} ${text} is not the number of a record.`, 'Write a number, such as 1234.'),
  );
}
