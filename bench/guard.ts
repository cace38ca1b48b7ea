import { spawnSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { quantile, type Row } from './row.ts';

const RUNS = 15;
const HAUKI = resolve('hauki');

/** `hauki guard -- true` with a controller running, against starting Node for nothing, turn by turn; and that controller's memory. */
export async function guardBench(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-bench-'));
  const site = join(folder, 'site');
  const env = { ...process.env, HAUKI_HOME: join(folder, 'home') };
  mkdirSync(site);
  writeFileSync(join(site, 'file'), 'content');
  const timed = (program: string, args: readonly string[]): number => {
    const start = performance.now();
    const { status, stderr } = spawnSync(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${String(stderr)}`);
    return performance.now() - start;
  };
  const guard = ['guard', '--intent', 'bench', '--path', site, '--', 'true'];
  const pid = (): number => Number(readFileSync(join(env.HAUKI_HOME, 'controller.pid'), 'utf8'));
  try {
    const cold = timed(HAUKI, guard);
    const nodes: number[] = [];
    const guards: number[] = [];
    const snapshots: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      nodes.push(timed(process.execPath, ['-e', '0']));
      guards.push(timed(HAUKI, guard));
    }
    const { mutations } = JSON.parse(spawnSync(HAUKI, ['log', '--json'], { env, encoding: 'utf8' }).stdout) as {
      mutations: { requestedAt: string; clearedAt: string }[];
    };
    for (const one of mutations) snapshots.push(Date.parse(one.clearedAt) - Date.parse(one.requestedAt));
    const peer = { name: 'node -e 0', value: quantile(nodes, 0.5) };
    const beyond = quantile(guards, 0.5) - quantile(snapshots, 0.5);
    const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid()}/status`, 'utf8'))?.[1]) / 1_024;
    return [
      { name: 'guard -- true, no controller running', value: cold, unit: 'ms' },
      {
        name: 'guard -- true beyond the snapshot, p50',
        value: beyond,
        unit: 'ms',
        peer,
        ratio: beyond / peer.value,
        target: '≤ 2 ×',
        met: beyond <= 2 * peer.value,
      },
      { name: 'controller idle, RSS', value: rss, unit: 'MiB', target: '≤ 90 MB', met: rss * 1.048_576 <= 90 },
    ];
  } finally {
    process.kill(pid(), 'SIGTERM');
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
