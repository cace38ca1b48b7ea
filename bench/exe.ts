import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { quantile, type Row } from './row.ts';

const HAUKI = resolve('hauki');
const EXE = resolve(`exe/hauki-linux-${process.arch}`);
const STARTS = 25;
/** By then the executable has let go of what only its start needed (src/bin/slim.ts), and some more. */
const SETTLE_MS = 25_000;
const IDLE_MS = 30_000;
const SERVED = 20;
/** As the shell daemon was that this takes the place of: a look into a folder every three seconds. */
const OLD_DAEMON = 'while :; do for task in "$0"/*; do :; done; sleep 3; done';
/** Of the kernel's clock that CPU times are told in. */
const TICKS_A_SECOND = 100;

/** The single executable as a node process, against the same under Node, and a shell that looks every three seconds. */
export async function exeBench(): Promise<Row[]> {
  const built = spawnSync(process.execPath, ['scripts/build-exe.mjs'], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (built.status !== 0) throw new Error('the executable could not be built');
  const folder = mkdtempSync(join(tmpdir(), 'hauki-bench-'));
  const env = { ...process.env, HAUKI_HOME: join(folder, 'home') };
  const children: ChildProcess[] = [];
  const begin = (program: string, args: readonly string[], home = folder): number => {
    const child = spawn(program, args, { env: { ...env, HAUKI_NODE_HOME: home }, stdio: 'ignore' });
    children.push(child);
    return child.pid ?? 0;
  };
  const hauki = (args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync(HAUKI, args, { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`hauki ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const joined = (name: string, home: string): string => {
    hauki(['node', 'join', hauki(['node', 'invite', name]).trim(), '--home', home]);
    return home;
  };
  try {
    hauki(['mesh', 'init']);
    const controller = spawn(HAUKI, ['controller', '--port', '0', '--listen', '127.0.0.1:0', '--json'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    children.push(controller);
    await new Promise((ready) => controller.stdout.once('data', ready));

    const byExe = begin(EXE, ['node', 'run'], joined('exe', join(folder, 'exe')));
    const byNode = begin(HAUKI, ['node', 'run'], joined('node', join(folder, 'node')));
    const old = begin('sh', ['-c', OLD_DAEMON, folder]);
    const names = Array.from({ length: SERVED }, (_, index) => `served${index}`);
    const many = join(folder, 'many');
    for (const name of names) joined(name, join(many, 'nodes', name));
    const serving = begin(EXE, ['node', 'run', '--serve', names.join(',')], many);
    await pause(SETTLE_MS);
    const { length } = [...hauki(['node', 'list']).matchAll(/live since/g)];
    if (length !== SERVED + 2) throw new Error(`${length} of ${SERVED + 2} nodes are live`);

    const processes = { byExe, byNode, old, serving };
    const before = mapped(processes, ticks);
    await pause(IDLE_MS);
    const cpu = mapped(processes, (pid, name) => ((ticks(pid) - before[name]) / TICKS_A_SECOND / IDLE_MS) * 100_000);
    const rss = mapped(processes, (pid) => memory(pid, 'VmRSS'));
    const own = mapped(processes, (pid) => memory(pid, 'RssAnon'));
    const [start, startNode] = [EXE, HAUKI].map(startMs);
    const against = (value: number, name: string, peer: number): Pick<Row, 'value' | 'peer' | 'ratio'> => ({
      value,
      peer: { name, value: peer },
      ratio: value / peer,
    });
    const under = 'the same under Node';
    return [
      {
        name: 'executable: start (--version), p50',
        unit: 'ms',
        ...against(start ?? 0, under, startNode ?? 0),
        target: '≤ 30 ms',
        met: (start ?? 0) <= 30,
      },
      {
        name: 'executable as a node, idle: RSS',
        unit: 'MB',
        ...against(rss.byExe, under, rss.byNode),
        target: '≤ 35 MB',
        met: rss.byExe <= 35,
      },
      { name: 'of it its own (the rest is the file’s)', unit: 'MB', ...against(own.byExe, under, own.byNode) },
      {
        name: 'executable as a node, idle: of one core',
        unit: '%',
        ...against(cpu.byExe, under, cpu.byNode),
        target: '≤ 0.2 %',
        met: cpu.byExe <= 0.2,
      },
      {
        name: `executable as ${SERVED} nodes: RSS for each`,
        unit: 'MB',
        ...against(rss.serving / SERVED, 'a process for one', rss.byExe),
      },
      {
        name: `executable as ${SERVED} nodes: of one core, for each`,
        unit: '%',
        ...against(cpu.serving / SERVED, 'a process for one', cpu.byExe),
      },
      { name: 'a shell that looks every 3 s: RSS', unit: 'MB', ...against(rss.old, 'the executable', rss.byExe) },
      { name: 'a shell that looks every 3 s: of one core', unit: '%', value: cpu.old },
    ];
  } finally {
    for (const child of children) child.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

function mapped<Name extends string>(
  pids: Readonly<Record<Name, number>>,
  measure: (pid: number, name: Name) => number,
): Record<Name, number> {
  const entries = Object.entries(pids) as [Name, number][];
  return Object.fromEntries(entries.map(([name, pid]) => [name, measure(pid, name)])) as Record<Name, number>;
}

/** In MB of a million bytes. */
function memory(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return (Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) * 1_024) / 1e6;
}

/** CPU time that a process has used, with that of the children it has waited for. */
function ticks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
}

function startMs(program: string): number {
  const samples = Array.from({ length: STARTS }, () => {
    const begun = performance.now();
    spawnSync(program, ['--version']);
    return performance.now() - begun;
  });
  return quantile(samples, 0.5);
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
