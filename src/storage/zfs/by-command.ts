import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { type Failure, readFailure } from '../../wire/zfs/failure.ts';
import { readHolds } from '../../wire/zfs/holds.ts';
import { readRows, type Row } from '../../wire/zfs/rows.ts';
import type { Access, ClearRequest, Newer, Obstacle, Survey, SurveyRequest, Taken, Wanted } from './access.ts';
import type { ReserveShare } from './by-program.ts';
import type { Commands } from './command.ts';
import { containerOf, datasetOf, isContained, labelOf, poolOf } from './names.ts';
import { isOriginal, readStories, STORY, type Story } from './properties.ts';
import { cannotFail, lowSpace, notAllowed, poolRefusal, RIGHTS } from './refusals.ts';

const COLUMNS = ['name', 'type', 'guid', 'createtxg', 'creation', 'userrefs', 'clones'] as const;
type Listed = Row<(typeof COLUMNS)[number]>;

export interface ByCommandOptions {
  readonly home: string;
  readonly reserve: ReserveShare;
}

/**
 * One command for each request: `zfs snapshot -o … a@x b@x` is atomic too, but sets the same properties on all. For users whom
 * `zfs allow` lets do some things, since programs are root's alone, and for ZFS before 2.1.
 */
export function byCommand(commands: Commands, { home, reserve }: ByCommandOptions): Access {
  async function clear(requests: readonly ClearRequest[]): Promise<readonly Result<readonly Taken[], Refusal>[]> {
    const answers: Result<readonly Taken[], Refusal>[] = [];
    for (const request of requests) answers.push(await clearOne(request));
    return answers;
  }

  async function clearOne(request: ClearRequest): Promise<Result<readonly Taken[], Refusal>> {
    const { snapshots, recursive, properties } = request;
    const tight = await tooTight(snapshots.map(({ dataset }) => dataset));
    if (tight !== undefined) return err(tight);
    const names = snapshots.map(({ name }) => name);
    const wanted = recursive ? await withInside(snapshots) : ok(names);
    if (!wanted.ok) return wanted;
    const ran = await commands.zfs(['snapshot', ...options(properties), ...wanted.value]);
    const there = await readBack(request);
    if (ran.code === 0) return ok(there);
    // Asked again: the answer is the same.
    if (names.every((name) => there.some((one) => one.name === name))) return ok(there);
    const [first = ''] = snapshots.map(({ dataset }) => dataset);
    return err(
      commandRefusal('snapshot_failed', `zfs snapshot ${names.join(' ')}`, first, readFailure(ran.stderr.toString())),
    );
  }

  /**
   * What `zfs snapshot` is to take with every dataset inside. By `-r` it would take hauki's own as well, whose snapshots nobody would ever
   * destroy: in a whole pool each is named, which is of one moment too.
   */
  async function withInside(snapshots: readonly Wanted[]): Promise<Result<readonly string[], Refusal>> {
    const names = snapshots.map(({ name }) => name);
    if (!snapshots.some(({ dataset }) => dataset === poolOf(dataset))) return ok(['-r', ...names]);
    const all = new Set(names);
    for (const { dataset, name } of snapshots) {
      const ran = await commands.zfs(['list', '-Hp', '-r', '-t', 'filesystem,volume', '-o', 'name', dataset]);
      if (ran.code !== 0)
        return err(commandRefusal('snapshot_failed', 'zfs list', dataset, readFailure(ran.stderr.toString())));
      const inside = readRows(ran.stdout.toString(), ['name']).filter((one) => !isContained(one.name));
      for (const one of inside) all.add(one.name + labelOf(name));
    }
    return ok([...all]);
  }

  /** Those of the mutation's own, as the pool shows them now. */
  async function readBack({ snapshots, recursive, mutation }: ClearRequest): Promise<Taken[]> {
    const labels = new Set(snapshots.map(({ name }) => labelOf(name)));
    const rows = await list(
      ['-t', 'snapshot', ...(recursive ? ['-r'] : ['-d', '1'])],
      snapshots.map(({ dataset }) => dataset),
    );
    const ours = rows.filter(({ name }) => labels.has(labelOf(name)) && !isContained(datasetOf(name)));
    const told = ours.length === 0 ? new Map<string, Story>() : await stories(ours.map(({ name }) => name));
    const taken = ours
      .filter(({ name }) => told.get(name)?.properties.mutation === mutation)
      .map(({ name, guid = '', createtxg: txg = '', creation = '0' }): Taken => {
        return { dataset: datasetOf(name), name, guid, txg, creation: Number(creation) };
      });
    const named = snapshots.flatMap(({ name }) => taken.find((one) => one.name === name) ?? []);
    return [...named, ...taken.filter((one) => !named.includes(one))];
  }

  async function tooTight(datasets: readonly string[]): Promise<Refusal | undefined> {
    const columns = ['name', 'used', 'available'] as const;
    const ran = await commands.zfs(['list', '-Hp', '-o', columns.join(','), '-t', 'filesystem,volume', ...datasets]);
    const [first = ''] = datasets;
    if (ran.code !== 0) return commandRefusal('snapshot_failed', 'zfs list', first, readFailure(ran.stderr.toString()));
    for (const { name, used, available } of readRows(ran.stdout.toString(), columns)) {
      const free = Number(available ?? 0);
      const kept = Math.min((free + Number(used ?? 0)) * reserve.share, reserve.bytesMax);
      if (free < kept) return lowSpace(name, free, kept);
    }
    return undefined;
  }

  async function survey(request: SurveyRequest): Promise<Result<Survey, Refusal>> {
    const { dataset, pre, evidence, fail } = request;
    const [rows, contained] = await Promise.all([
      list(['-t', 'filesystem,volume,snapshot,bookmark', '-d', '1'], [dataset]),
      list(['-t', 'filesystem,volume', '-d', '1'], [containerOf(poolOf(dataset))]),
    ]);
    const itself = rows.find(({ name }) => name === dataset);
    if (itself === undefined) return err(refusal('dataset_missing', `There is no dataset ${dataset}.`));
    const found = rows.find(({ name }) => name === pre);
    const kept = contained.some(({ name }) => name === evidence);
    const after = rows.filter((row) => isNewer(row, found) && row.name !== fail?.name);
    if (found !== undefined && fail !== undefined && !kept && !rows.some(({ name }) => name === fail.name)) {
      const ran = await commands.zfs(['snapshot', ...options(fail.properties), fail.name]);
      if (ran.code !== 0) {
        const failure = readFailure(ran.stderr.toString());
        return err(cannotFail(dataset, commandRefusal('snapshot_failed', 'zfs snapshot', dataset, failure)));
      }
    }
    return ok({
      type: itself.type === 'volume' ? 'volume' : 'filesystem',
      kept,
      // A command is told what was written as of the last transaction group, which may be too little.
      unchanged: false,
      container: contained.length > 0,
      pre: found && { guid: found.guid ?? '', txg: found.createtxg ?? '' },
      newer: await Promise.all(after.map(newerOf)),
    });
  }

  function isNewer({ name, createtxg }: Listed, pre: Listed | undefined): boolean {
    return pre !== undefined && /[@#]/.test(name) && BigInt(createtxg ?? 0) > BigInt(pre.createtxg ?? 0);
  }

  async function newerOf({ name, userrefs, clones }: Listed): Promise<Newer> {
    const story = name.includes('@') ? (await stories([name])).get(name) : undefined;
    const own = story?.home === home && isOriginal(story, datasetOf(name));
    const holds = userrefs === undefined || userrefs === '0' ? [] : await holdsOf(name);
    return { name, own, holds, clones: (clones ?? '').split(',').filter((clone) => clone !== '') };
  }

  async function holdsOf(name: string): Promise<string[]> {
    const ran = await commands.zfs(['holds', '-H', name]);
    return readHolds(ran.stdout.toString()).map(({ tag }) => tag);
  }

  async function destroy(names: readonly string[]): Promise<readonly (Obstacle | undefined)[]> {
    const answers: (Obstacle | undefined)[] = [];
    for (const name of names) answers.push(await destroyOne(name));
    return answers;
  }

  async function destroyOne(name: string): Promise<Obstacle | undefined> {
    const [row] = await list(['-t', 'snapshot'], [name]);
    if (row === undefined) return undefined;
    if ((await stories([name])).get(name)?.home !== home) return { code: 'foreign', names: [] };
    const ran = await commands.zfs(['destroy', name]);
    if (ran.code === 0) return undefined;
    const { holds, clones } = await newerOf(row);
    if (clones.length > 0) return { code: 'clones', names: clones };
    if (holds.length > 0) return { code: 'held', names: holds };
    return { code: 'failed', names: [readFailure(ran.stderr.toString()).message] };
  }

  async function mark(property: string, values: readonly { readonly name: string; readonly value: string }[]) {
    let failed: string | undefined;
    for (const value of new Set(values.map((one) => one.value))) {
      const names = values.filter((one) => one.value === value).map(({ name }) => name);
      const ran = await commands.zfs(['set', `${property}=${value}`, ...names]);
      const failure = ran.code === 0 ? undefined : readFailure(ran.stderr.toString());
      if (failure !== undefined && failure.kind !== 'missing') failed = failure.message;
    }
    if (failed !== undefined) throw new Error(`zfs set ${property}: ${failed}`);
  }

  /** What is not there is not listed, and is no failure. Without user properties, which others may have written. */
  async function list(where: readonly string[], datasets: readonly string[]): Promise<Listed[]> {
    const ran = await commands.zfs(['list', '-Hp', ...where, '-o', COLUMNS.join(','), ...datasets]);
    return readRows(ran.stdout.toString(), COLUMNS);
  }

  async function stories(names: readonly string[]): Promise<Map<string, Story>> {
    const ran = await commands.zfs(['list', '-Hp', '-t', 'snapshot', '-o', ['name', ...STORY].join(','), ...names]);
    return readStories(ran.stdout.toString());
  }

  return { clear, survey, destroy, mark };
}

/** A command that said no. What it says of permissions is turned into the line that gives them. */
export function commandRefusal(
  code: 'snapshot_failed' | 'rollback_failed' | 'seal_failed',
  attempted: string,
  dataset: string,
  failure: Failure,
): Refusal {
  const pool = poolRefusal(poolOf(dataset), failure);
  if (failure.kind === 'missing')
    return refusal('dataset_missing', `There is no dataset ${dataset}: ${failure.message}.`);
  if (pool !== undefined) return pool;
  if (failure.kind === 'space') return lowSpace(dataset);
  if (failure.kind === 'permission') return notAllowed(code, attempted, dataset, RIGHTS);
  return refusal(code, `"${attempted}" did not work: ${failure.message}.`);
}

/** User properties as arguments of `zfs snapshot` and `zfs receive`. */
export function options(properties: Readonly<Record<string, string>>): string[] {
  return Object.entries(properties).flatMap(([property, value]) => ['-o', `${property}=${value}`]);
}
