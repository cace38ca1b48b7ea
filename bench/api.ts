import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Caller, startServer, stopServer } from './load.ts';
import { quantile, type Row } from './row.ts';

const CALLERS = 32;
const MUTATIONS = 6_000;
const SNAPSHOTS = 60;

/** The controller itself: no-op storage, durable ledger, 32 callers over the Unix socket. */
export async function throughputBench(): Promise<Row[]> {
  const home = mkdtempSync(join(tmpdir(), 'hauki-bench-'));
  const socket = join(home, 'bench.sock');
  const server = await startServer(home, socket, 'noop');
  try {
    await drive(socket, 500);
    const start = performance.now();
    const samples = await drive(socket, MUTATIONS);
    const perSecond = MUTATIONS / ((performance.now() - start) / 1_000);
    const p99 = quantile(samples, 0.99);
    return [
      { name: 'mutations, 32 callers', value: perSecond, unit: '/s', target: '≥ 1000', met: perSecond >= 1_000 },
      { name: 'mutation p50, 32 callers', value: quantile(samples, 0.5), unit: 'ms' },
      { name: 'mutation p99, 32 callers', value: p99, unit: 'ms', target: '≤ 50', met: p99 <= 50 },
    ];
  } finally {
    await stopServer(server);
    rmSync(home, { recursive: true, force: true });
  }
}

async function drive(socket: string, mutations: number): Promise<number[]> {
  const samples: number[] = [];
  let left = mutations;
  const callers = Array.from({ length: CALLERS }, async (_, index) => {
    const caller = new Caller(socket);
    while (left > 0) {
      left -= 1;
      samples.push((await caller.mutation(`/bench/${index}`)).committed);
    }
    caller.close();
  });
  await Promise.all(callers);
  return samples;
}

/** Cleared on a real btrfs subvolume, against the raw command, turn by turn. Needs root. */
export async function btrfsBench(): Promise<Row[]> {
  if (process.getuid?.() !== 0)
    return [{ name: 'btrfs clear: not measured, needs root', value: Number.NaN, unit: 'ms' }];
  const folder = mkdtempSync(join(tmpdir(), 'hauki-bench-'));
  const mount = join(folder, 'mount');
  const image = join(folder, 'image');
  mkdirSync(mount);
  execFileSync('truncate', ['-s', '1G', image]);
  execFileSync('mkfs.btrfs', ['-q', image]);
  execFileSync('mount', ['-o', 'loop', image, mount]);
  try {
    const dataset = join(mount, 'site');
    execFileSync('btrfs', ['subvolume', 'create', dataset], { stdio: 'ignore' });
    for (let file = 0; file < 100; file += 1) writeFileSync(join(dataset, `f${file}`), 'content');
    const socket = join(folder, 'bench.sock');
    const server = await startServer(join(folder, 'home'), socket, 'real');
    const caller = new Caller(socket);
    const raw: number[] = [];
    const cleared: number[] = [];
    const whole: number[] = [];
    try {
      for (let turn = 0; turn < SNAPSHOTS; turn += 1) {
        const start = performance.now();
        execFileSync('btrfs', ['subvolume', 'snapshot', '-r', dataset, join(mount, `raw${turn}`)], { stdio: 'ignore' });
        raw.push(performance.now() - start);
        const sample = await caller.mutation(dataset);
        cleared.push(sample.cleared);
        whole.push(sample.committed);
      }
    } finally {
      caller.close();
      await stopServer(server);
    }
    const peer = { name: 'btrfs subvolume snapshot', value: quantile(raw, 0.5) };
    const p50 = quantile(whole, 0.5);
    return [
      {
        name: 'btrfs requested → cleared p50',
        value: quantile(cleared, 0.5),
        unit: 'ms',
        peer,
        ratio: quantile(cleared, 0.5) / peer.value,
      },
      {
        name: 'btrfs requested → committed p50',
        value: p50,
        unit: 'ms',
        peer,
        ratio: p50 / peer.value,
        target: '≤ raw + 3 ms',
        met: p50 <= peer.value + 3,
      },
    ];
  } finally {
    execFileSync('umount', [mount]);
    rmSync(folder, { recursive: true, force: true });
  }
}
