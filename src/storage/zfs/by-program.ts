import * as z from 'zod';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { ofErrno, readFailure } from '../../wire/zfs/failure.ts';
import { asList, guidText, readProgram } from '../../wire/zfs/program.ts';
import { readRows } from '../../wire/zfs/rows.ts';
import type { Ran } from '../run.ts';
import type { Access, ClearRequest, Newer, Obstacle, Survey, SurveyRequest, Taken } from './access.ts';
import type { Commands } from './command.ts';
import { containerOf, datasetOf } from './names.ts';
import type { Programs } from './programs.ts';
import { decodedDatasets, isOriginal } from './properties.ts';
import { cannotFail, poolRefusal, snapshotRefusal } from './refusals.ts';
import { CLEAR, DESTROY, MARK, PROBE, SURVEY } from './scripts.ts';

/** What is left to others: a share of each dataset's space, and at most so many bytes. */
export interface ReserveShare {
  readonly share: number;
  readonly bytesMax: number;
}

/** Lua's arrays come as objects with the keys "1", "2" …, and an empty one without any. */
function list<T extends z.ZodType>(item: T) {
  return z.preprocess((value) => (typeof value === 'object' ? asList(value) : value), z.array(item));
}

const taken = z.object({
  dataset: z.string(),
  name: z.string(),
  guid: z.string(),
  txg: z.string(),
  creation: z.int(),
});
const refused = z.object({
  errno: z.int(),
  name: z.string(),
  free: z.number().optional(),
  kept: z.number().optional(),
});
const cleared = list(z.union([z.object({ taken: list(taken) }), refused]));
const names = list(z.string());
const newer = z.object({
  name: z.string(),
  ours: z.boolean(),
  datasets: z.string(),
  holds: names,
  clones: names,
});
const surveyed = z.union([
  z.object({ missing: z.literal(true) }),
  refused,
  z.object({
    type: z.enum(['filesystem', 'volume']),
    kept: z.boolean(),
    unchanged: z.boolean().default(false),
    container: z.boolean(),
    pre: z.object({ guid: z.string(), txg: z.string() }).optional(),
    newer: list(newer),
    bookmarks: names.optional(),
  }),
]);
const destroyed = list(
  z.union([
    z.object({ gone: z.literal(true) }),
    z.object({ foreign: z.literal(true) }),
    z.object({ errno: z.int(), holds: names, clones: names }),
  ]),
);

const EBUSY = 16;

export interface ByProgramOptions {
  readonly pool: string;
  /** HAUKI_HOME, as it stands in the properties. */
  readonly home: string;
  readonly reserve: ReserveShare;
}

/** Everything in one transaction group: what costs a command a second for 32 datasets costs a program as much as for one. */
export function byProgram(programs: Programs, commands: Commands, options: ByProgramOptions): Access {
  const { pool, home, reserve } = options;
  const container = containerOf(pool);

  async function ask<T>(
    script: string,
    given: Parameters<Programs['run']>[2],
    schema: z.ZodType<T>,
  ): Promise<Result<T, Refusal>> {
    const ran = await programs.run(pool, script, given);
    if (ran.code !== 0) return err(programRefusal(pool, ran));
    return ok(schema.parse(readProgram(ran.stdout.toString())));
  }

  async function clear(requests: readonly ClearRequest[]): Promise<readonly Result<readonly Taken[], Refusal>[]> {
    const given = {
      reserve: { permille: Math.round(reserve.share * 1000), bytes: reserve.bytesMax },
      container,
      requests: requests.map(({ mutation, snapshots, recursive, properties }) => ({
        mutation,
        recursive,
        properties,
        snapshots: snapshots.map(({ dataset, name }) => ({ dataset, name })),
      })),
    };
    const answers = await ask(CLEAR, given, cleared);
    if (!answers.ok) return requests.map(() => answers);
    return answers.value.map((answer) =>
      'taken' in answer
        ? ok(answer.taken.map((one) => ({ ...one, guid: guidText(one.guid) })))
        : err(snapshotRefusal(answer)),
    );
  }

  async function survey(request: SurveyRequest): Promise<Result<Survey, Refusal>> {
    const { dataset, pre, evidence, fail } = request;
    const given = { home, dataset, pre, evidence, container, ...(fail === undefined ? {} : { fail }) };
    const answer = await ask(SURVEY, given, surveyed);
    if (!answer.ok) return answer;
    const found = answer.value;
    if ('missing' in found) return err(refusal('dataset_missing', `There is no dataset ${dataset}.`));
    if ('errno' in found) return err(cannotFail(dataset, snapshotRefusal(found)));
    const at = found.pre;
    const bookmarks = at === undefined ? [] : await newerBookmarks(found.bookmarks ?? [], at.txg);
    return ok({
      type: found.type,
      kept: found.kept,
      unchanged: found.unchanged,
      container: found.container,
      pre: at === undefined ? undefined : { guid: guidText(at.guid), txg: at.txg },
      newer: [...found.newer.map(newerOf), ...bookmarks],
    });
  }

  function newerOf({ name, ours, datasets, holds, clones }: z.infer<typeof newer>): Newer {
    const own = ours && isOriginal({ datasets: decodedDatasets(datasets) }, datasetOf(name));
    return { name, own, holds, clones };
  }

  async function newerBookmarks(bookmarks: readonly string[], txg: string): Promise<Newer[]> {
    if (bookmarks.length === 0) return [];
    const listed = await commands.zfs(['list', '-Hp', '-t', 'bookmark', '-o', 'name,createtxg', ...bookmarks]);
    const rows = readRows(listed.stdout.toString(), ['name', 'createtxg']);
    return rows
      .filter((row) => BigInt(row.createtxg ?? 0) > BigInt(txg))
      .map((row) => ({ name: row.name, own: false, holds: [], clones: [] }));
  }

  async function destroy(wanted: readonly string[]): Promise<readonly (Obstacle | undefined)[]> {
    const answers = await ask(DESTROY, { home, names: wanted }, destroyed);
    if (!answers.ok) throw new Error(answers.error.message);
    return Promise.all(
      answers.value.map(async (answer, index): Promise<Obstacle | undefined> => {
        if ('gone' in answer) return undefined;
        if ('foreign' in answer) return { code: 'foreign', names: [] };
        if (answer.clones.length > 0) return { code: 'clones', names: answer.clones };
        if (answer.holds.length > 0) return { code: 'held', names: answer.holds };
        if (answer.errno === EBUSY) return destroyMounted(wanted[index] ?? '');
        return { code: 'failed', names: [ofErrno(answer.errno, 'destroy').message] };
      }),
    );
  }

  /** Somebody has looked into it, so it is mounted for a while; the command unmounts it first. */
  async function destroyMounted(name: string): Promise<Obstacle | undefined> {
    const ran = await commands.zfs(['destroy', name]);
    if (ran.code === 0) return undefined;
    const { kind, message } = readFailure(ran.stderr.toString());
    return kind === 'missing' ? undefined : { code: 'failed', names: [message] };
  }

  async function mark(property: string, values: readonly { readonly name: string; readonly value: string }[]) {
    const done = await ask(
      MARK,
      { property, values: values.map(({ name, value }) => ({ name, value })) },
      z.literal(true),
    );
    if (!done.ok) throw new Error(done.error.message);
  }

  return { clear, survey, destroy, mark };
}

/** Whether this user may run channel programs on a pool, and its ZFS knows all of what they need. */
export async function programsWork(programs: Programs, pool: string): Promise<boolean> {
  if (process.geteuid?.() !== 0) return false;
  const ran = await programs.run(pool, PROBE, {});
  return ran.code === 0 && readProgram(ran.stdout.toString()) === true;
}

/** A program that was refused as a whole did nothing. Anything else that ends it is a defect, or an outcome nobody knows. */
function programRefusal(pool: string, ran: Ran): Refusal {
  const failure = readFailure(ran.stderr.toString());
  const known = poolRefusal(pool, failure);
  if (known !== undefined) return known;
  throw new Error(`the channel program on ${pool} failed: ${failure.message || `signal ${ran.signal}`}`);
}
