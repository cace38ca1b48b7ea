import { size } from '../../base/size.ts';
import { formatDuration } from '../../base/duration.ts';
import type { LockList, StatusView } from '../../wire/http.ts';
import { paintFor, styleOfStage } from '../colour.ts';
import { calling, connect } from '../connect.ts';
import { oneLine, printJson, printText, table } from '../output.ts';
import type { ReadOptions } from './history.ts';

const FINDINGS_SHOWN = 5;

/** How things stand right now: `hauki status`, `hauki locks`. */

export async function status(options: ReadOptions): Promise<number> {
  const view = await calling(connect(options.controller), (client) => client.status());
  if (options.json) printJson(view);
  else printText(describe(view));
  return 0;
}

function describe(view: StatusView): string {
  const paint = paintFor(1);
  const up = formatDuration(Date.now() - Date.parse(view.startedAt));
  const outcomes = Object.entries(view.outcomes).map(([stage, count]) => `${count} ${stage}`);
  const open = view.open.map(
    ({ mutation, node, stage, intent }) =>
      `  ${paint(styleOfStage(stage), stage.padEnd(12))} ${mutation}  ${node}: ${oneLine(intent)}`,
  );
  return [
    `controller ${view.node} · hauki ${view.version} · pid ${view.pid} · up ${up} · ${size(view.memoryBytes)}`,
    `mutations  ${outcomes.length === 0 ? 'none yet' : outcomes.join(', ')}${view.queued > 0 ? `; ${view.queued} waiting` : ''}`,
    ...open,
    ...view.seals
      .filter((one) => one.sealed)
      .map(
        (one) => `sealed     ${oneLine(one.dataset)}${one.settled ? '' : ' (not yet: the storage has not done it)'}`,
      ),
    `ledger     ${view.ledger.records} records, head ${view.ledger.head.slice(0, 16)}`,
    ...(view.irc === undefined ? [] : [describeIrc(view.irc)]),
    ...describeWebhooks(view.webhooks),
    ...describeFindings(view.findings),
  ]
    .map((line) => {
      const label = /^(\w+) /.exec(line)?.[1] ?? '';
      return label === '' ? line : paint(label === 'warning' ? 'yellow' : 'dim', label) + line.slice(label.length);
    })
    .join('\n');
}

function describeIrc({ connected, nick, ignored }: NonNullable<StatusView['irc']>): string {
  const counts = Object.entries(ignored).map(([why, count]) => `, ${count} ${why.replaceAll('_', ' ')}`);
  return `irc        ${connected ? `connected as ${oneLine(nick)}` : 'not connected'}${counts.join('')}`;
}

function describeWebhooks(webhooks: StatusView['webhooks']): string[] {
  if (webhooks === undefined) return [];
  const { active, retrying, disabled, dead } = webhooks;
  const lines = [`webhooks   ${active} active, ${retrying} retrying, ${disabled} disabled, ${dead} dead letters`];
  if (disabled > 0)
    lines.push('warning    a webhook was disabled: "hauki webhook list" says why, "hauki webhook retry" begins again');
  return lines;
}

function describeFindings({ unknown, missing }: StatusView['findings']): string[] {
  const lines: string[] = [];
  if (unknown.count > 0) {
    const what =
      unknown.count === 1 ? '1 snapshot on the storage belongs' : `${unknown.count} snapshots on the storage belong`;
    lines.push(
      `warning    ${what} to no mutation in this ledger: "hauki audit rebuild" restores a lost ledger from them`,
      ...unknown.names.slice(0, FINDINGS_SHOWN).map((name) => `  unknown  ${oneLine(name)}`),
    );
  }
  for (const { name, mutation } of missing.snapshots.slice(0, FINDINGS_SHOWN))
    lines.push(`warning    snapshot ${oneLine(name)} of mutation ${mutation} is gone from the storage`);
  if (missing.count > FINDINGS_SHOWN) lines.push(`warning    so are ${missing.count - FINDINGS_SHOWN} more`);
  return lines;
}

export async function locks(options: ReadOptions): Promise<number> {
  const list = await calling(connect(options.controller), (client) => client.locks());
  if (options.json) printJson(list);
  else printText(list.locks.length === 0 ? 'no locks are held' : describeLocks(list));
  return 0;
}

function describeLocks({ locks: held }: LockList): string {
  const rows = held.flatMap(({ datasets, node, stage, mutation, intent, expiresAt, blockedBy }) =>
    datasets.map((dataset) => [
      dataset.name,
      stage,
      node,
      mutation,
      blockedBy.length > 0 ? `waits for ${blockedBy.join(', ')}` : (expiresAt ?? '-'),
      intent,
    ]),
  );
  return table(['DATASET', 'STAGE', 'NODE', 'MUTATION', 'LEASE ENDS', 'INTENT'], rows);
}
