import type { BarrierView, LockList } from '../../wire/http.ts';
import type { NodeView } from '../../wire/mesh.ts';
import { oneLine } from '../../wire/one-line.ts';
import { type Paint, styleOfStage } from '../colour.ts';
import { padded, widthOf } from '../width.ts';
import { stopwatch } from './stopwatch.ts';

/** How things stand at a moment: what `hauki watch` shows below the events. */
export interface Scene {
  readonly controller: string;
  /** Newest record of the ledger that was heard of. */
  readonly records: number;
  readonly locks: LockList['locks'];
  readonly barriers: readonly BarrierView[];
  /** Those that have joined; undefined where we may not ask. */
  readonly nodes: readonly NodeView[] | undefined;
  /** Since when the controller is not heard; undefined: it is. */
  readonly silentSince: number | undefined;
}

const MARKS: Readonly<Record<string, string>> = { cleared: '●', queued: '○', quarantined: '■' };
const BAR_WIDTH_MAX = 20;
const END = '──';

/** @param now wall clock, ms @param width columns of the terminal */
export function sceneLines(scene: Scene, now: number, width: number, paint: Paint): string[] {
  const { locks, barriers } = scene;
  const waiting = locks.filter(({ stage }) => stage === 'queued');
  return [
    rule(scene, locks.length - waiting.length, waiting.length, now, width, paint),
    ...barriers.map((barrier) => barrierLine(barrier, paint)),
    ...lockLines(scene, now, paint),
    ...nodeLines(scene, paint),
  ];
}

function rule(scene: Scene, open: number, waiting: number, now: number, width: number, paint: Paint): string {
  const { controller, records, silentSince } = scene;
  const left = `── ${oneLine(controller)} · ${open} open · ${waiting} waiting · record ${records} `;
  const silent = silentSince !== undefined;
  const word = silent ? ` not heard for ${stopwatch(now - silentSince)}, trying again ` : ' live ';
  const room = Math.max(2, width - 1 - widthOf(left) - widthOf(word) - END.length);
  return paint('dim', left + '─'.repeat(room)) + paint(silent ? 'red' : 'green', word) + paint('dim', END);
}

function barrierLine({ epoch, phase, answered, awaited, broken, forMs, intent }: BarrierView, paint: Paint): string {
  const who = awaited.length === 0 ? '' : `, waiting for ${awaited.map(oneLine).join(', ')}`;
  const lost = broken.map(({ node, why }) => `, ${oneLine(node)}: ${oneLine(why)}`).join('');
  const bar = nodeBar(answered.length, awaited.length, broken.length);
  return `${paint('magenta', `▲ barrier ${epoch} ${phase}`)} ${bar} ${oneLine(intent)}${who}${lost} ${paint('dim', stopwatch(forMs))}`;
}

/** A mark a node: full, empty, or crossed out. With many nodes a mark stands for some. */
export function nodeBar(answered: number, awaited: number, broken: number): string {
  const all = answered + awaited + broken;
  const scale = Math.min(1, BAR_WIDTH_MAX / Math.max(1, all));
  const full = Math.floor(answered * scale);
  const crossed = Math.ceil(broken * scale);
  // Only when none is awaited is none of them empty.
  return '▰'.repeat(full) + '▱'.repeat(Math.max(0, Math.round(all * scale) - full - crossed)) + '╳'.repeat(crossed);
}

function lockLines({ locks }: Scene, now: number, paint: Paint): string[] {
  if (locks.length === 0) return [paint('dim', 'nobody holds a lock')];
  const holders = new Map(locks.map((lock) => [lock.mutation, lock.node]));
  const rows = locks.map((lock) => ({ lock, node: oneLine(lock.node), stage: lock.stage }));
  const nodes = Math.max(...rows.map(({ node }) => widthOf(node)));
  const stages = Math.max(...rows.map(({ stage }) => stage.length));
  return rows.map(({ lock, node, stage }) => {
    const { intent, requestedAt, clearedAt, expiresAt, blockedBy, mutation } = lock;
    const spent = stopwatch(now - Date.parse(clearedAt ?? requestedAt));
    const lease = expiresAt === undefined ? '' : `  lease ${stopwatch(Date.parse(expiresAt) - now)}`;
    const behind = [...new Set(blockedBy.map((one) => holders.get(one) ?? one))].map(oneLine).join(', ');
    return [
      paint(styleOfStage(stage), `${MARKS[stage] ?? '◐'} ${padded(stage, stages)}`),
      padded(node, nodes),
      spent,
      oneLine(intent),
      paint('dim', `${behind === '' ? '' : `waits for ${behind}  `}${mutation}${lease}`),
    ].join('  ');
  });
}

function nodeLines({ nodes }: Scene, paint: Paint): string[] {
  const joined = (nodes ?? []).filter(({ state }) => state === 'joined');
  if (joined.length === 0) return [];
  const words = joined.map(({ node, presence }) => {
    const liveness = presence?.liveness ?? 'never heard';
    const task = presence?.task === undefined ? '' : ` ${oneLine(presence.task)}`;
    return `${oneLine(node)} ${paint(styleOfStage(liveness), liveness)}${task}`;
  });
  return [`${paint('dim', 'nodes')} ${words.join(paint('dim', ' · '))}`];
}
