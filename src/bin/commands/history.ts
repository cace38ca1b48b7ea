import { parseDuration } from '../../base/duration.ts';
import { refusal, RefusedError } from '../../base/refusal.ts';
import type { DiffView, MutationDetail, MutationView } from '../../wire/http.ts';
import { calling, connect } from '../connect.ts';
import { paintFor, styleOfStage } from '../colour.ts';
import { oneLine, printJson, printText, table } from '../output.ts';

/** Who changed what, why, and what came of it: `hauki log`, `show`, `diff`. */

export interface ReadOptions {
  readonly controller?: string;
  readonly json?: boolean;
}

export interface LogOptions extends ReadOptions {
  readonly node?: string;
  readonly since?: string;
  readonly outcome?: string;
  readonly limit?: string;
}

export async function log(options: LogOptions): Promise<number> {
  const { node, outcome, limit } = options;
  const query = {
    ...(node === undefined ? {} : { node }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(limit === undefined ? {} : { limit }),
    ...(options.since === undefined ? {} : { since: sinceOf(options.since) }),
  };
  const list = await calling(connect(options.controller), (client) => client.log(query));
  if (options.json) printJson(list);
  else if (list.mutations.length === 0) printText('no mutations');
  else printText(table(['REQUESTED', 'NODE', 'OUTCOME', 'MUTATION', 'INTENT'], list.mutations.map(logRow)));
  return 0;
}

function logRow({ requestedAt, node, stage, mutation, intent, rebuilt }: MutationView): string[] {
  return [when(requestedAt), node, rebuilt ? `${stage} (rebuilt)` : stage, mutation, intent];
}

export function when(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ');
}

/** A moment (`2026-06-16`, `2026-06-16T12:00:00Z`) or how long ago (`2h`, `7d`). */
function sinceOf(text: string): string {
  const ago = parseDuration(text);
  if (ago.ok) return new Date(Date.now() - ago.value).toISOString();
  const moment = Date.parse(text);
  if (Number.isNaN(moment)) {
    throw new RefusedError(
      refusal(
        'usage',
        `"${text}" is no point in time.`,
        'Write --since 2h, --since 7d or --since 2026-06-16T12:00:00Z.',
      ),
    );
  }
  return new Date(moment).toISOString();
}

export async function show(mutation: string, options: ReadOptions): Promise<number> {
  const detail = await calling(connect(options.controller), (client) => client.show(mutation));
  if (options.json) printJson(detail);
  else printText(describe(detail));
  return 0;
}

function describe(detail: MutationDetail): string {
  const paint = paintFor(1);
  const facts: [string, string | undefined][] = [
    ['mutation', detail.mutation],
    ['intent', oneLine(detail.intent)],
    ['node', detail.node],
    ['scope', detail.recursive ? 'with every dataset inside' : undefined],
    ['stage', paint(styleOfStage(detail.stage), detail.stage) + (detail.pinned ? ' (pinned)' : '')],
    ['record', detail.rebuilt ? 'rebuilt from the storage, after the ledger was lost' : undefined],
    ['reason', detail.reason && `${oneLine(detail.reason.message)} (${detail.reason.code})`],
    ['next', detail.reason && detail.stage === 'quarantined' ? oneLine(detail.reason.hint) : undefined],
    ['requested', detail.requestedAt],
    ['cleared', detail.clearedAt],
    ['ended', detail.endedAt],
    ['fence', detail.fence?.toString()],
    ...detail.datasets.map(({ name, driver }): [string, string] => ['dataset', `${oneLine(name)} (${driver})`]),
    ...detail.snapshots.map(({ name, guid }): [string, string] => [
      'snapshot',
      `${oneLine(name)}${guid === '' ? '' : `  guid ${guid}`}`,
    ]),
    ...detail.evidence.map(({ path }): [string, string] => ['evidence', oneLine(path)]),
  ];
  const lines = facts
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${paint('dim', name.padEnd(10))} ${value}`);
  const records = detail.records.map((record) => [
    String(record.seq),
    record.at,
    record.type,
    record.hash.slice(0, 12),
  ]);
  return `${lines.join('\n')}\n\n${table(['SEQ', 'AT', 'RECORD', 'HASH'], records)}`;
}

export async function diff(mutation: string, options: ReadOptions): Promise<number> {
  const view = await calling(connect(options.controller), (client) => client.diff(mutation));
  if (options.json) printJson(view);
  else printText(describeDiff(view));
  return 0;
}

function describeDiff({ datasets }: DiffView): string {
  if (datasets.length === 0) return 'nothing was ever frozen for this mutation';
  const paint = paintFor(1);
  return datasets
    .map(({ dataset, comparedWith, added, modified, removed }) => {
      const lines = [
        ...added.map((path) => paint('green', oneLine(`+ ${path}`))),
        ...modified.map((path) => paint('yellow', oneLine(`M ${path}`))),
        ...removed.map((path) => paint('red', oneLine(`- ${path}`))),
      ];
      const head = `${oneLine(dataset)}  (${added.length} added, ${modified.length} modified, ${removed.length} removed; against ${oneLine(comparedWith)})`;
      return [paint('bold', head), ...lines].join('\n');
    })
    .join('\n\n');
}
