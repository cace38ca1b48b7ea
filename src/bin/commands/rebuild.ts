import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { refusal, RefusedError } from '../../base/refusal.ts';
import type { DatasetName } from '../../core/dataset.ts';
import { type Rebuilt, rebuild } from '../../core/rebuild/rebuild.ts';
import { floorsOf } from '../../core/snapshot/floor.ts';
import { refuseUnlessLost, writeRebuilt } from '../../ledger/rebuild.ts';
import type { Storage, Stored } from '../../ports/storage.ts';
import { storageRegistry } from '../../storage/registry.ts';
import { iso } from '../../wire/view.ts';
import { systemClock } from '../clock.ts';
import { drivers } from '../compose.ts';
import { readConfig } from '../config.ts';
import { homeFrom, makeHome } from '../home.ts';
import { oneLine, printJson, printText, say, table } from '../output.ts';
import { takeHome } from '../take-home.ts';
import { when } from './history.ts';

export interface RebuildOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** So many mutations are shown, the newest; `hauki log` has them all. */
const SHOWN_MAX = 50;
/** From so many on people are told that it goes on. */
const MANY = 500;

/** `hauki audit rebuild`: the history from what the storage alone tells, for a ledger that was lost. */
export async function auditRebuild(options: RebuildOptions): Promise<number> {
  const home = homeFrom(process.env);
  makeHome(home);
  const release = await takeHome(home);
  try {
    refuseUnlessLost(home.root);
    const tell = (text: string): void => (options.json ? undefined : say(text));
    const storage = storageRegistry(drivers(home, readConfig(home.config).reserve));
    const stored = await listed(storage);
    if (stored.length >= MANY) tell(`the storage has ${stored.length} snapshots and failed states; looking at them …`);
    const rebuilt = rebuild(stored, await placesOf(stored, storage));
    if (rebuilt.mutations.length >= MANY && !options.dryRun) tell(`writing ${rebuilt.mutations.length} mutations …`);
    const { fence } = floorsOf(stored);
    const records =
      options.dryRun || rebuilt.mutations.length === 0
        ? undefined
        : await writeRebuilt(home.root, rebuilt.mutations, fence, systemClock.now());
    const report = reportOf(rebuilt, fence, records);
    if (options.json) printJson(report);
    else printText([describe(report), ...describeForgotten(report, existsSync(join(home.root, 'mesh')))].join('\n'));
    return 0;
  } finally {
    release();
  }
}

async function listed(storage: Storage): Promise<readonly Stored[]> {
  try {
    return await storage.list();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    // Half a history would be on record as if it were the whole.
    throw new RefusedError(refusal('selftest_failed', `A storage cannot say what it has: ${why}.`));
  }
}

/** Where the datasets are that are not named by their path. */
async function placesOf(stored: readonly Stored[], storage: Storage): Promise<ReadonlyMap<DatasetName, string>> {
  const places = new Map<DatasetName, string>();
  for (const name of new Set(stored.map(({ dataset }) => dataset))) {
    if (name.startsWith('/')) continue;
    const located = await storage.locate(name);
    if (located?.ok && located.value.name === name && located.value.at !== undefined)
      places.set(name, located.value.at);
  }
  return places;
}

interface Report {
  readonly status: 'rebuilt' | 'would_rebuild' | 'nothing_found';
  /** The highest fencing token found: the next one is higher. */
  readonly fence: number;
  readonly mutations: readonly {
    readonly mutation: string;
    readonly stage: string;
    readonly node: string;
    readonly intent: string;
    readonly clearedAt: string;
    readonly fence: number;
    readonly snapshots: readonly string[];
    readonly evidence: readonly string[];
    readonly reason?: string;
  }[];
  readonly skipped: Rebuilt['skipped'];
  readonly records?: number;
}

function reportOf({ mutations, skipped }: Rebuilt, fence: number, records: number | undefined): Report {
  return {
    status: mutations.length === 0 ? 'nothing_found' : records === undefined ? 'would_rebuild' : 'rebuilt',
    fence,
    mutations: mutations.map((one) => ({
      mutation: one.mutation,
      stage: one.stage,
      node: one.request.node,
      intent: one.request.intent,
      clearedAt: iso(one.clearedAt),
      fence: one.fence,
      snapshots: one.snapshots.map(({ name }) => name),
      evidence: one.evidence.map(({ name }) => name),
      ...(one.reason === undefined ? {} : { reason: one.reason.message }),
    })),
    skipped,
    ...(records === undefined ? {} : { records }),
  };
}

/** Who may come in stood in the ledger alone. */
function describeForgotten({ mutations }: Report, isMesh: boolean): string[] {
  if (!isMesh) return [];
  const names = [...new Set(mutations.map(({ node }) => node))].toSorted();
  const some = names.length === 0 ? '' : `; of those that had mutations: ${names.map(oneLine).join(', ')}`;
  return [
    `to let in  a rebuilt ledger knows no nodes and no API tokens${some}`,
    '           for each: hauki node invite NAME, then hauki node join TOKEN there; hauki token create NAME',
  ];
}

function describe({ status, mutations, skipped, fence }: Report): string {
  const ignored = skipped.map(({ name, why }) => `skipped    ${oneLine(name)}: ${oneLine(why)}`);
  if (status === 'nothing_found')
    return [...ignored, 'the storage remembers no mutation: there is nothing to rebuild'].join('\n');
  const counts = new Map<string, number>();
  for (const { stage } of mutations) counts.set(stage, (counts.get(stage) ?? 0) + 1);
  const endings = [...counts].map(([stage, count]) => `${count} ${stage}`).join(', ');
  const rows = mutations.slice(-SHOWN_MAX).toReversed();
  const undecided = mutations.filter(({ stage }) => stage === 'quarantined');
  return [
    table(
      ['CLEARED', 'NODE', 'OUTCOME', 'MUTATION', 'INTENT'],
      rows.map(({ clearedAt, node, stage, mutation, intent }) => [when(clearedAt), node, stage, mutation, intent]),
    ),
    ...(rows.length < mutations.length ? [`… and ${mutations.length - rows.length} older ones`] : []),
    '',
    ...ignored,
    `${status === 'rebuilt' ? 'rebuilt' : 'would rebuild'} ${mutations.length} mutations: ${endings}; fencing goes on above ${fence}`,
    ...undecided.map(
      ({ mutation }) => `to decide  hauki diff ${mutation}, then hauki resolve ${mutation} --commit or --rollback`,
    ),
  ].join('\n');
}
