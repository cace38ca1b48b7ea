import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { options } from '../src/storage/zfs/by-command.ts';
import { told } from '../src/storage/zfs/properties.ts';
import { Caller, startServer, stopServer } from './load.ts';
import { quantile, type Row } from './row.ts';

const TURNS = 9;
const AT_ONCE = 32;
const FILES = 100;
const SNAPSHOTS = 10_000;
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
    for (const name of names) zfs('create', name);
    const server = await startServer(home, socket, 'real');
    try {
      return await measure({ mountpoint, socket, names, home });
    } finally {
      await stopServer(server);
    }
  } finally {
    execFileSync('zpool', ['destroy', '-f', pool]);
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Bench {
  readonly home: string;
  readonly mountpoint: string;
  readonly socket: string;
  readonly names: readonly string[];
}

async function clears({ socket, names }: Bench): Promise<Row[]> {
  const [first = ''] = names;
  const callers = names.map(() => new Caller(socket));
  const [caller] = callers as [Caller];
  const [raw, one, all]: [number[], number[], number[]] = [[], [], []];
  await caller.mutation(first);
  for (let turn = 0; turn < TURNS; turn += 1) {
    raw.push(timed(() => zfs('snapshot', '-o', 'hauki:bench=raw', `${first}@raw${turn}`)));
    one.push((await caller.mutation(first)).cleared);
    const granted = await Promise.all(callers.map((each, index) => each.mutation(names[index] ?? '')));
    all.push(Math.max(...granted.map(({ cleared }) => cleared)));
  }
  for (const each of callers) each.close();
  const peer = { name: 'zfs snapshot -o', value: quantile(raw, 0.5) };
  return [
    against('zfs requested → cleared p50', one, peer, 1.25),
    against(`zfs ${AT_ONCE} requests at once, all cleared, p50`, all, peer, 2.5),
  ];
}

async function rollbacks({ socket, names, mountpoint }: Bench): Promise<Row[]> {
  const [, dataset = ''] = names;
  const root = join(mountpoint, 's1');
  const change = (content: string) => {
    for (let file = 0; file < FILES; file += 1) writeFileSync(join(root, `f${file}`), content);
  };
  change('before');
  const caller = new Caller(socket);
  const [raw, ours]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < TURNS; turn += 1) {
    zfs('snapshot', `${dataset}@raw${turn}`);
    change(`failed ${turn}`);
    raw.push(timed(() => zfs('rollback', `${dataset}@raw${turn}`)));
    zfs('destroy', `${dataset}@raw${turn}`);
    const { mutation, fence } = (await caller.send('POST', '/v1/mutations', {
      intent: 'bench',
      datasets: [dataset],
    })) as {
      mutation: string;
      fence: number;
    };
    change(`failed again ${turn}`);
    const start = performance.now();
    await caller.send('POST', `/v1/mutations/${mutation}/rollback`, { fence });
    ours.push(performance.now() - start);
  }
  caller.close();
  const peer = { name: 'zfs rollback', value: quantile(raw, 0.5) };
  return [against(`zfs rollback with evidence, ${FILES} files changed, p50`, ours, peer, 3)];
}

async function lists({ socket, names, home }: Bench): Promise<Row[]> {
  const parent = `${names[0]}/many`;
  zfs('create', '-o', 'canmount=off', parent);
  for (let child = 0; child < CHILDREN; child += 1) zfs('create', '-o', 'canmount=off', `${parent}/c${child}`);
  for (let round = 0; round < SNAPSHOTS / CHILDREN; round += 1) {
    const properties = {
      mutation: randomUUID(),
      intent: `one of many, ${round}`,
      node: 'bench',
      mode: 'standard',
    } as const;
    const story = told({ kind: 'snapshot', home, datasets: [`${parent}/`], properties: { ...properties, fence: 1 } });
    zfs('snapshot', '-r', ...options(story), `${parent}@PRE_bench_${round}`);
  }
  const caller = new Caller(socket);
  const [raw, ours]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < LISTS; turn += 1) {
    raw.push(timed(() => zfs('list', '-t', 'snapshot')));
    const start = performance.now();
    await caller.send('GET', '/v1/snapshots');
    ours.push(performance.now() - start);
  }
  caller.close();
  const peer = { name: 'zfs list -t snapshot', value: quantile(raw, 0.5) };
  return [against(`snapshots, ${SNAPSHOTS} of them, p50`, ours, peer, 1.5)];
}

function against(name: string, samples: readonly number[], peer: { name: string; value: number }, most: number): Row {
  const value = quantile(samples, 0.5);
  const ratio = value / peer.value;
  return { name, value, unit: 'ms', peer, ratio, target: `≤ ${most} ×`, met: ratio <= most };
}

function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function zfs(...args: readonly string[]): void {
  execFileSync('zfs', args, { stdio: ['ignore', 'ignore', 'inherit'], maxBuffer: 1024 ** 3 });
}
