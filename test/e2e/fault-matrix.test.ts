import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { replay } from '../../src/bin/compose.ts';
import { Client } from '../../src/client/client.ts';
import { isFinal } from '../../src/core/mutation/mutation.ts';
import { verify } from '../../src/ledger/audit.ts';
import type { KeptView, MutationView } from '../../src/wire/http.ts';
import { until } from '../until.ts';
import { fingerprint } from './fingerprint.ts';
import { place as openForTest, type Place, type Running } from './place.ts';

/*
 * A kill at every step. HAUKI_FAULT names a point (src/bin/faulty-ports.ts, src/bin/commands/guard.ts) at which the controller or
 * the guard dies by SIGKILL; then a controller without a fault starts, and everything must have ended: committed, rolled back or
 * denied, the state with it, no lock left, the ledger whole. The table at the end says what became of each.
 */

const CHANGE = 'echo two > config; echo new > new; rm -rf deep';
const OK = CHANGE;
const FAIL = `${CHANGE}; exit 9`;

interface Cell {
  readonly flow: string;
  readonly point: string;
  readonly killed: 'controller' | 'guard' | 'both';
  /** Brings about the kill. @returns what the guard ended with, where it lived to end */
  readonly run: (place: Place, point: string) => Promise<number | undefined>;
}

const records = (...types: readonly string[]): string[] =>
  types.flatMap((type) => [`ledger:before:${type}`, `ledger:after:${type}`]);
const effects = (...methods: readonly string[]): string[] =>
  methods.flatMap((method) => [`storage:before:${method}`, `storage:after:${method}`]);

const cells: readonly Cell[] = [
  ...['commit', 'rollback'].flatMap((flow): Cell[] => {
    const script = flow === 'commit' ? OK : FAIL;
    const ending =
      flow === 'commit'
        ? records('committed')
        : [...records('rollback_started', 'rolled_back'), ...effects('rollback')];
    const points =
      flow === 'commit'
        ? [...records('requested', 'snapshot_started', 'cleared'), ...effects('snapshot'), ...ending]
        : ending;
    return points.flatMap((point): Cell[] => [
      { flow, point, killed: 'controller', run: (place, at) => guardSurvives(place, at, script) },
      { flow, point, killed: 'both', run: (place, at) => bothDie(place, at, script) },
    ]);
  }),
  ...['before-request', 'after-clearance', 'after-command', 'after-commit'].map((name): Cell => ({
    flow: 'commit',
    point: `guard:${name}`,
    killed: 'guard',
    run: guardDies,
  })),
  ...records('denied').map((point): Cell => ({
    flow: 'denied',
    point,
    killed: 'controller',
    run: (place, at) => guardSurvives(place, at, OK, ['--path', 'missing']),
  })),
  // Recovery itself is killed: a snapshot was being taken when everybody died, and the next controller dies while it withdraws it.
  ...[...records('controller_started', 'withdraw_started', 'denied'), ...effects('discard')].map((point): Cell => ({
    flow: 'withdraw',
    point,
    killed: 'both',
    run: withdrawDies,
  })),
  // The guard lives on, and the controller that comes back to it dies too.
  ...records('holder_lost', 'holder_back').map((point): Cell => ({
    flow: 'reattach',
    point,
    killed: 'controller',
    run: reattachDies,
  })),
  ...records('quarantined').map((point): Cell => ({ flow: 'quarantine', point, killed: 'both', run: quarantineDies })),
  ...records('commit_started', 'committed').map((point): Cell => ({
    flow: 'resolve --commit',
    point,
    killed: 'controller',
    run: (place, at) => resolveDies(place, at, '--commit'),
  })),
  ...effects('rollback').map((point): Cell => ({
    flow: 'resolve --rollback',
    point,
    killed: 'controller',
    run: (place, at) => resolveDies(place, at, '--rollback'),
  })),
  ...[...records('rollback_started', 'rolled_back'), ...effects('rollback')].map((point): Cell => ({
    flow: 'undo',
    point,
    killed: 'controller',
    run: (place, at) => laterDies(place, at, OK, (id) => ['rollback', id]),
  })),
  ...[...records('destroy_started', 'destroyed'), ...effects('destroy')].map((point): Cell => ({
    flow: 'evidence rm',
    point,
    killed: 'controller',
    run: (place, at) => laterDies(place, at, FAIL, (id) => ['evidence', 'rm', id]),
  })),
  ...records('pinned').map((point): Cell => ({
    flow: 'pin',
    point,
    killed: 'controller',
    run: (place, at) => laterDies(place, at, OK, (id) => ['pin', id]),
  })),
];

const rows: string[][] = [];

describe.concurrent('killed at every step', () => {
  test.for(cells)('$flow: $point, $killed killed', { timeout: 120_000 }, async (cell, { onTestFinished }) => {
    const place = openForTest({}, onTestFinished);
    const before = fingerprint(place.site);
    const row = [cell.flow, cell.point, cell.killed];
    rows.push(row);
    const code = await cell.run(place, cell.point);
    const { mutations, client } = await settled(place);
    const stages = mutations.map(({ stage }) => stage);
    row.push(code === undefined ? '-' : String(code), stages.join(', ') || 'never asked');

    // Every mutation has ended, or waits for a person who was asked for by --on-expiry quarantine.
    const open = mutations.filter((mutation) => !isFinal(mutation));
    expect(open.map(({ stage }) => stage)).toEqual(cell.flow === 'quarantine' ? ['quarantined'] : []);
    // No lock is left of the others.
    expect((await client.locks()).locks.map(({ mutation }) => mutation)).toEqual(open.map(({ mutation }) => mutation));
    // The state is that of the outcome, whole.
    const kept = stages.includes('committed') || stages.includes('quarantined');
    const state = fingerprint(place.site) === before ? 'as before' : isChanged(place.site) ? 'as changed' : 'NEITHER';
    row.push(state);
    expect(state).toBe(kept ? 'as changed' : 'as before');
    // What was rolled back left its evidence, unless that was what was removed; what was never cleared left nothing at all.
    const own = (kept: readonly KeptView[]): string[] =>
      // Other tests of this machine may keep something on the same btrfs.
      kept.flatMap(({ mutation }) => (mutations.some((one) => one.mutation === mutation) ? [mutation] : [])).toSorted();
    const ids = (those: readonly MutationView[]): string[] => those.map(({ mutation }) => mutation).toSorted();
    const rolledBack = mutations.filter(({ stage }) => stage === 'rolled_back' && cell.flow !== 'evidence rm');
    expect(own((await client.evidence()).kept)).toEqual(ids(rolledBack));
    const paths = rolledBack.flatMap((one) => one.evidence.map(({ path }) => path));
    expect(paths.filter((path) => !existsSync(path))).toEqual([]);
    const begun = mutations.filter(({ stage }) => stage !== 'denied' && stage !== 'cancelled');
    expect(own((await client.snapshots()).kept)).toEqual(ids(begun));
    // What the guard said is what happened.
    const said = { 0: 'committed', 9: 'rolled_back', 75: 'denied' }[code ?? -1];
    expect(said).toBe(code === undefined ? undefined : stages[0]);
    const { ok, firstBroken } = await verify(place.home, { replay });
    expect({ ok, firstBroken }).toEqual({ ok: true, firstBroken: undefined });
    row.push('ok');
    // Somebody has to end what was left to a person, and its processes with it.
    if (cell.flow === 'quarantine') await client.resolve(mutations[0]?.mutation ?? '', 'rollback');
  });
});

afterAll(() => {
  const head = ['flow', 'point', 'killed', 'exit', 'outcomes, newest first', 'state', ''];
  const order = new Map(cells.map(({ flow, point, killed }, index) => [`${flow} ${point} ${killed}`, index]));
  const place = (row: readonly string[]): number => order.get(row.slice(0, 3).join(' ')) ?? 0;
  const table = [head, ...rows.toSorted((a, b) => place(a) - place(b))];
  const widths = head.map((_, column) => Math.max(...table.map((row) => (row[column] ?? '').length)));
  const lines = table.map((row) =>
    head
      .map((_, column) => (row[column] ?? '').padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  process.stdout.write(
    `\nfault matrix: ${rows.filter((row) => row.at(-1) === 'ok').length} of ${cells.length} points\n${lines.join('\n')}\n`,
  );
});

// ── how each point is brought about ────────────────────────────────────────────────────────────────────────────────────

const faulty = (place: Place, point: string): Promise<Running> =>
  place.controller(['controller', '--ephemeral'], { env: { HAUKI_FAULT: point } });
const clean = (place: Place): Promise<Running> => place.controller(['controller', '--ephemeral']);
const socket = ({ home }: Place): string[] => ['--controller', `unix:${home}/controller.sock`];

async function killedAt(running: Running, point: string): Promise<void> {
  await until(() => running.child.signalCode === 'SIGKILL', `${point} is reached`, 30_000);
}

async function guardSurvives(
  place: Place,
  point: string,
  script: string,
  more: readonly string[] = [],
): Promise<number | undefined> {
  const controller = await faulty(place, point);
  const { code } = await place.guard(script, more);
  await killedAt(controller, point);
  return code ?? undefined;
}

async function bothDie(place: Place, point: string, script: string): Promise<undefined> {
  const controller = await faulty(place, point);
  // By a name that is not its to start, so that it does not bring the controller back before it is killed.
  const guard = place.startGuard(script, socket(place));
  await killedAt(controller, point);
  guard.child.kill('SIGKILL');
  await until(() => guard.child.signalCode !== null || guard.child.exitCode !== null, 'the guard is dead');
}

async function guardDies(place: Place, point: string): Promise<undefined> {
  await clean(place);
  const guard = place.startGuard(OK, [], { env: { HAUKI_FAULT: point } });
  await killedAt(guard, point);
}

async function withdrawDies(place: Place, point: string): Promise<undefined> {
  await bothDie(place, 'storage:after:snapshot', OK);
  const second = place.start(['controller', '--ephemeral'], { env: { HAUKI_FAULT: point } });
  await killedAt(second, point);
}

async function reattachDies(place: Place, point: string): Promise<number | undefined> {
  const first = await clean(place);
  const guard = place.startGuard(
    `${OK}; touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done`,
    socket(place),
  );
  await until(() => existsSync(`${place.site}.ready`), 'the command works');
  first.child.kill('SIGKILL');
  await until(() => first.child.signalCode !== null, 'the first controller is dead');
  await killedAt(place.start(['controller', '--ephemeral'], { env: { HAUKI_FAULT: point } }), point);
  await clean(place);
  await place.run(['-c', `touch '${place.site}.go'`], { program: 'sh' });
  return (await guard.done).code ?? undefined;
}

async function quarantineDies(place: Place, point: string): Promise<undefined> {
  const controller = await faulty(place, point);
  const guard = place.startGuard(`${OK}; touch "$PWD.ready"; exec sleep 300`, [
    '--on-expiry',
    'quarantine',
    ...socket(place),
  ]);
  await until(() => existsSync(`${place.site}.ready`), 'the command works');
  guard.child.kill('SIGKILL');
  await killedAt(controller, point);
}

async function resolveDies(place: Place, point: string, choice: string): Promise<number | undefined> {
  const first = await clean(place);
  const guard = place.startGuard(`${OK}; touch "$PWD.ready"; exec sleep 300`, ['--on-expiry', 'quarantine']);
  await until(() => existsSync(`${place.site}.ready`), 'the command works');
  guard.child.kill('SIGKILL');
  const [mutation] = await until(async () => {
    const all = await place.mutations();
    return all[0]?.stage === 'quarantined' && all;
  }, 'it is quarantined');
  first.child.kill('SIGTERM');
  await until(() => place.controllerPid() === undefined, 'the first controller is gone');
  const second = await faulty(place, point);
  await place.run(['resolve', mutation?.mutation ?? '', choice]);
  await killedAt(second, point);
  await clean(place);
  await until(async () => (await place.mutations())[0]?.stage !== 'committing', 'it goes on');
  // Where the decision was lost with the controller, it is made again.
  if ((await place.mutations())[0]?.stage === 'quarantined')
    await place.run(['resolve', mutation?.mutation ?? '', choice]);
  return undefined;
}

async function laterDies(
  place: Place,
  point: string,
  script: string,
  command: (id: string) => readonly string[],
): Promise<undefined> {
  const first = await clean(place);
  await place.guard(script);
  const [mutation] = await place.mutations();
  first.child.kill('SIGTERM');
  await until(() => place.controllerPid() === undefined, 'the first controller is gone');
  const second = await faulty(place, point);
  await place.run(command(mutation?.mutation ?? ''));
  await killedAt(second, point);
}

/** Starts a controller if none runs, and waits until nothing goes on any more. */
async function settled(place: Place): Promise<{ mutations: readonly MutationView[]; client: Client }> {
  if (place.controllerPid() === undefined) await clean(place);
  const client = new Client({ name: 'the controller', socketPath: join(place.home, 'controller.sock') });
  await until(() => client.ready(), 'a controller answers');
  await until(
    async () => (await client.status()).open.every(({ stage }) => stage === 'quarantined'),
    'every mutation ends',
    40_000,
  );
  return { mutations: (await client.log({})).mutations, client };
}

function isChanged(site: string): boolean {
  return (
    readFileSync(join(site, 'config'), 'utf8') === 'two\n' &&
    existsSync(join(site, 'new')) &&
    !existsSync(join(site, 'deep'))
  );
}
