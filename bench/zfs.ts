import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { options } from '../src/storage/zfs/by-command.ts';
import { told } from '../src/storage/zfs/properties.ts';
import { Caller, type Grant, startServer, stopServer } from './load.ts';
import { quantile, type Row } from './row.ts';

const TURNS = 9;
/** Turns before those that count, on both sides. */
const WARM_UPS = 2;
const QUIET_MS = 1_500;
const AT_ONCE = 32;
const FILES = 100;
const SNAPSHOTS = 10_000;
/** Fewer of them, to look quickly; then nothing is said about the goal. */
const snapshots = Number(process.env['HAUKI_BENCH_SNAPSHOTS'] ?? SNAPSHOTS);
/** Datasets they are spread over: taken together they cost little. */
const CHILDREN = 100;
const LISTS = 3;

/** On a pool of its own, each against the raw command, turn by turn. Needs root and OpenZFS: `npm run lab -- bench`. */
export const zfsClearBench = () => onPool(clears);
export const zfsRollbackBench = () => onPool(rollbacks);
export const zfsListBench = () => onPool(lists);

async function onPool(measure: (bench: Bench) => Promise<Row[]>): Promise<Row[]> {
  if (process.getuid?.() !== 0 || !existsSync('/dev/zfs'))
    return [{ name: 'zfs: not measured, needs root and OpenZFS', value: Number.NaN, unit: 'ms' }];
  const folder = mkdtempSync(join(tmpdir(), 'hauki-bench-'));
  const pool = `haukibench-${randomUUID().slice(0, 8)}`;
  const image = join(folder, 'image');
  writeFileSync(image, '');
  truncateSync(image, 2 * 1024 ** 3);
  const mountpoint = join(folder, 'pool');
  mkdirSync(mountpoint);
  execFileSync('zpool', ['create', '-O', `mountpoint=${mountpoint}`, pool, image]);
  const home = join(folder, 'home');
  const socket = join(folder, 'bench.sock');
  try {
    const names = Array.from({ length: AT_ONCE }, (_, index) => `${pool}/s${index}`);
    for (const name of names) await zfs('create', name);
    const server = await startServer(home, socket, 'real');
    try {
      return await measure({ folder, mountpoint, socket, names, home });
    } finally {
      await stopServer(server);
    }
  } finally {
    execFileSync('zpool', ['destroy', '-f', pool]);
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Bench {
  readonly folder: string;
  readonly home: string;
  readonly mountpoint: string;
  readonly socket: string;
  readonly names: readonly string[];
}

async function clears({ socket, names, folder }: Bench): Promise<Row[]> {
  const [first = ''] = names;
  const callers = names.map(() => new Caller(socket));
  const [caller] = callers as [Caller];
  const [raw, one, all]: [number[], number[], number[]] = [[], [], []];
  for (let turn = -WARM_UPS; turn < TURNS; turn += 1) {
    raw.push(await timed('snapshot', '-o', 'hauki:bench=raw', `${first}@raw${turn + WARM_UPS}`));
    one.push((await caller.mutation(first)).cleared);
    await quiet();
    all.push(await atOnce(callers, names));
  }
  for (const each of callers) each.close();
  const idle = await noops(join(folder, 'noop'), names);
  const peer = { name: 'zfs snapshot -o', value: quantile(warm(raw), 0.5) };
  return [
    against('zfs requested → cleared p50', one, peer, 1.25),
    against(`zfs ${AT_ONCE} requests at once, all cleared, p50`, all, peer, 2.5),
    against(`the same, of a storage that does nothing, p50`, idle, peer),
  ];
}

/** What controller and callers cost by themselves: the same requests, to a storage that has nothing to do. */
async function noops(home: string, names: readonly string[]): Promise<number[]> {
  mkdirSync(home);
  const socket = join(home, 'bench.sock');
  const server = await startServer(home, socket, 'noop');
  try {
    const callers = names.map(() => new Caller(socket));
    const samples: number[] = [];
    for (let turn = -WARM_UPS; turn < TURNS; turn += 1) samples.push(await atOnce(callers, names));
    for (const each of callers) each.close();
    return samples;
  } finally {
    await stopServer(server);
  }
}

/** @returns ms until the last one was cleared */
async function atOnce(callers: readonly Caller[], names: readonly string[]): Promise<number> {
  const start = performance.now();
  const grants = await Promise.all(callers.map((each, index) => each.request(names[index] ?? '')));
  const took = performance.now() - start;
  await Promise.all(callers.map((each, index) => each.end(grants[index] as Grant, 'commit')));
  await quiet();
  return took;
}

async function rollbacks({ socket, names, mountpoint }: Bench): Promise<Row[]> {
  const [, dataset = ''] = names;
  const root = join(mountpoint, 's1');
  const change = (content: string): void => {
    for (let file = 0; file < FILES; file += 1) writeFileSync(join(root, `f${file}`), content);
  };
  const expectBack = (): void => {
    for (let file = 0; file < FILES; file += 1) {
      if (readFileSync(join(root, `f${file}`), 'utf8') !== 'before') throw new Error(`f${file} was not put back`);
    }
  };
  change('before');
  const caller = new Caller(socket);
  const [raw, ours]: [number[], number[]] = [[], []];
  for (let turn = -WARM_UPS; turn < TURNS; turn += 1) {
    const snapshot = `${dataset}@raw${turn + WARM_UPS}`;
    await zfs('snapshot', snapshot);
    change(`failed ${turn}`);
    raw.push(await timed('rollback', snapshot));
    expectBack();
    await zfs('destroy', snapshot);
    const grant = await caller.request(dataset);
    change(`failed again ${turn}`);
    const start = performance.now();
    await caller.end(grant, 'rollback');
    ours.push(performance.now() - start);
    expectBack();
    await quiet();
  }
  const { kept } = (await caller.send('GET', '/v1/evidence')) as { kept: { path: string }[] };
  if (kept.length !== ours.length) throw new Error(`${ours.length} rollbacks kept ${kept.length} failed states`);
  for (const { path } of kept) {
    if (!readFileSync(join(path, 'f0'), 'utf8').startsWith('failed again'))
      throw new Error(`${path} is no failed state`);
  }
  caller.close();
  const peer = { name: 'zfs rollback', value: quantile(warm(raw), 0.5) };
  return [against(`zfs rollback with evidence, ${FILES} files changed, p50`, ours, peer, 3)];
}

async function lists({ socket, names, home }: Bench): Promise<Row[]> {
  const parent = `${names[0]}/many`;
  await zfs('create', '-o', 'canmount=off', parent);
  for (let child = 0; child < CHILDREN; child += 1) await zfs('create', '-o', 'canmount=off', `${parent}/c${child}`);
  for (let round = 0; round < snapshots / CHILDREN; round += 1) {
    const properties = {
      mutation: randomUUID(),
      intent: `one of many, ${round}`,
      node: 'bench',
      mode: 'standard',
    } as const;
    const story = told({ kind: 'snapshot', home, datasets: [`${parent}/`], properties: { ...properties, fence: 1 } });
    await zfs('snapshot', '-r', ...options(story), `${parent}@PRE_bench_${round}`);
  }
  const caller = new Caller(socket);
  const [raw, ours]: [number[], number[]] = [[], []];
  for (let turn = -WARM_UPS; turn < LISTS; turn += 1) {
    raw.push(await timed('list', '-t', 'snapshot'));
    const start = performance.now();
    const { kept } = (await caller.send('GET', '/v1/snapshots')) as { kept: unknown[] };
    ours.push(performance.now() - start);
    if (kept.length < snapshots) throw new Error(`only ${kept.length} of ${snapshots} snapshots were listed`);
  }
  caller.close();
  const peer = { name: 'zfs list -t snapshot', value: quantile(warm(raw), 0.5) };
  const name = `snapshots, ${snapshots} of them, p50`;
  return [snapshots < SNAPSHOTS ? against(name, ours, peer) : against(name, ours, peer, 1.5)];
}

/** Holds and outcomes are told to the pool after the answers, for which nobody waits; nor shall the next sample. */
async function quiet(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
}

/** Without the first, in which both sides read from the disk, and Node compiles. */
function warm(samples: readonly number[]): readonly number[] {
  return samples.slice(WARM_UPS);
}

function against(name: string, samples: readonly number[], peer: { name: string; value: number }, most?: number): Row {
  const value = quantile(warm(samples), 0.5);
  const ratio = value / peer.value;
  if (most === undefined) return { name, value, unit: 'ms', peer, ratio };
  return { name, value, unit: 'ms', peer, ratio, target: `≤ ${most} ×`, met: ratio <= most };
}

/** @returns ms that a command took, its start included */
async function timed(...args: readonly string[]): Promise<number> {
  const start = performance.now();
  await zfs(...args);
  return performance.now() - start;
}

/** Never blocks: a connection that the controller has closed meanwhile has to be noticed. */
async function zfs(...args: readonly string[]): Promise<void> {
  const child = spawn('zfs', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`zfs ${args.join(' ')} ended with ${code}`);
}
