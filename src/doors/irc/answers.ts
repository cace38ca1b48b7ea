import { formatDuration } from '../../base/duration.ts';
import { datasetNames, type Mutation } from '../../core/mutation/mutation.ts';
import type { Controller } from '../../engine/controller.ts';
import { HELP, type Question } from '../../wire/irc/ask.ts';
import { bounded } from '../../wire/irc/text.ts';
import { oneLine } from '../../wire/one-line.ts';

/** What answers are made from. */
export interface Asked {
  readonly controller: Pick<Controller, 'engine' | 'identity' | 'find' | 'head' | 'query' | 'countByStage' | 'locks'>;
  /** Wall clock, ms. */
  readonly now: () => number;
  /** When the controller began, wall clock, ms. */
  readonly startedAt: number;
  /** What a barrier knows of a node, in words; undefined when it was never heard of. */
  readonly presence: (node: string) => string | undefined;
}

/** Lines of one answer; a longer one names the command that tells the rest. */
const LINES_MAX = 8;
const INTENT_BYTES_MAX = 160;
/** How far back a snapshot is looked for, in mutations. */
const LOOKED_THROUGH_MAX = 5_000;
const PAGE = 500;

/** What hauki says to a question: a few lines, each of which may be longer than a line of IRC. */
export async function answerTo(question: Question, asked: Asked): Promise<string[]> {
  switch (question.kind) {
    case 'help':
      return [HELP];
    case 'status':
      return [await status(asked)];
    case 'locks':
      return locks(asked);
    case 'node':
      return node(question.node, asked);
    case 'last': {
      const last = await asked.controller.query({ limit: question.count });
      return last.length === 0 ? ['Nothing was ever asked for.'] : last.map((mutation) => brief(mutation));
    }
    case 'why':
      return why(question.of, asked);
  }
}

async function status({ controller, now, startedAt }: Asked): Promise<string> {
  const { node, version } = controller.identity;
  const open = [...controller.engine.state.mutations.values()];
  const queued = open.filter((mutation) => mutation.stage === 'queued').length;
  const counts = Object.entries(await controller.countByStage()).map(([stage, count]) => `${count} ${plain(stage)}`);
  const head = await controller.head();
  return [
    `controller '${node}'`,
    `hauki ${version}`,
    `up ${formatDuration(now() - startedAt)}`,
    counts.length === 0 ? 'no mutations yet' : counts.join(', '),
    ...(queued === 0 ? [] : [`${queued} waiting`]),
    `ledger ${head?.seq ?? 0} records, head ${head?.hash.slice(0, 16) ?? 'none'}`,
  ].join(' · ');
}

function locks({ controller }: Asked): string[] {
  const all = controller.locks();
  if (all.length === 0) return ['No locks are held.'];
  const lines = all.map(({ mutation, blockedBy }) => {
    const names = datasetNames(mutation)
      .map((name) => oneLine(name))
      .join(', ');
    const until = mutation.expiresAt === undefined ? '' : `, lease until ${clock(mutation.expiresAt)}`;
    const how = mutation.stage === 'queued' ? `waits for ${blockedBy.join(', ')}` : `${plain(mutation.stage)}${until}`;
    return `${names}: ${who(mutation)} ${how} [${mutation.id}]`;
  });
  return shortened(lines, 'hauki locks');
}

async function node(name: string, { controller, presence, now }: Asked): Promise<string[]> {
  const member = controller.engine.state.nodes.get(name);
  const [last] = await controller.query({ node: name, limit: 1 });
  const heard = presence(name);
  if (member === undefined && last === undefined && heard === undefined)
    return [`Nobody called '${oneLine(name)}' ever asked for anything here.`];
  const standing =
    member === undefined
      ? 'no member of the mesh'
      : member.revokedAt === undefined
        ? `member since ${day(member.joinedAt)}`
        : `REVOKED since ${day(member.revokedAt)}`;
  const open = [...controller.engine.state.mutations.values()].filter((mutation) => mutation.node === name);
  const asked = last === undefined ? [] : [`last asked ${formatDuration(now() - last.requestedAt)} ago`];
  const lines = [
    `'${name}': ${[standing, ...(heard === undefined ? [] : [heard]), `${open.length} open`, ...asked].join(', ')}`,
  ];
  if (open.length > 0) lines.push(...open.map(brief));
  else if (last !== undefined) lines.push(brief(last));
  return shortened(lines, `hauki log --node ${name}`);
}

async function why(of: string, { controller }: Asked): Promise<string[]> {
  const mutation = (await controller.find(of)) ?? (await takenFor(of, controller));
  if (mutation === undefined) return [`No mutation of this ledger has a snapshot called '${oneLine(of)}'.`];
  const { id, node: by, intent, snapshots, reason } = mutation;
  const taken = mutation.clearedAt ?? mutation.requestedAt;
  const lines = [
    `'${by}' asked on ${day(taken)} ${clock(taken)}: "${oneLine(intent)}"`,
    `${plain(mutation.stage)}${mutation.pinned ? ', pinned' : ''}; ${snapshots.length} snapshot${snapshots.length === 1 ? '' : 's'} of ${datasetNames(mutation).map(oneLine).join(', ')} [${id}]`,
  ];
  if (reason !== undefined) lines.push(`${oneLine(reason.message)} (${reason.code})`);
  return lines;
}

async function takenFor(name: string, controller: Asked['controller']): Promise<Mutation | undefined> {
  let before: string | undefined;
  for (let seen = 0; seen < LOOKED_THROUGH_MAX; seen += PAGE) {
    const page = await controller.query({ limit: PAGE, ...(before === undefined ? {} : { before }) });
    const found = page.find(({ snapshots }) =>
      snapshots.some((one) => one.name === name || one.name.endsWith(`@${name}`)),
    );
    if (found !== undefined || page.length < PAGE) return found;
    before = page.at(-1)?.id;
  }
  return undefined;
}

function brief(mutation: Mutation): string {
  return `${day(mutation.requestedAt)} ${clock(mutation.requestedAt)} ${who(mutation)} ${plain(mutation.stage)} [${mutation.id}]`;
}

function who({ node: by, intent }: Mutation): string {
  return `'${oneLine(by)}' "${bounded(oneLine(intent), INTENT_BYTES_MAX)}"`;
}

function shortened(lines: readonly string[], command: string): string[] {
  if (lines.length <= LINES_MAX) return [...lines];
  return [...lines.slice(0, LINES_MAX - 1), `and ${lines.length - LINES_MAX + 1} more: ${command}`];
}

function plain(stage: string): string {
  return stage.replaceAll('_', ' ');
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function clock(at: number): string {
  return `${new Date(at).toISOString().slice(11, 19)} UTC`;
}
