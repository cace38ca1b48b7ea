import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  utimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { systemClock } from '../src/bin/clock.ts';
import { Client } from '../src/client/client.ts';
import { guarded } from '../src/node/guarded.ts';
import { quantile, type Row } from './row.ts';

const HAUKI = resolve('hauki');
const DROPS = 30;
const UNTOLD = 5;
const QUEUED = 100;

/** A real controller and a real node, on the directory driver: from the drop of a task to its first line, and a full inbox. */
export async function tasksBench(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-bench-'));
  const at = (name: string): string => join(folder, name);
  const [site, spool, node] = [at('site'), at('spool'), at('node')];
  const env = { ...process.env, HAUKI_HOME: at('home') };
  const client = new Client({ name: 'bench', socketPath: join(env.HAUKI_HOME, 'controller.sock') });
  const children: ChildProcess[] = [];
  const run = (args: readonly string[], more: NodeJS.ProcessEnv = {}): string => {
    const { status, stdout, stderr } = spawnSync(HAUKI, args, { env: { ...env, ...more }, encoding: 'utf8' });
    if (status !== 0) throw new Error(`hauki ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const start = (args: readonly string[], more: NodeJS.ProcessEnv = {}): ChildProcess => {
    const child = spawn(HAUKI, args, { env: { ...env, ...more }, stdio: 'ignore' });
    children.push(child);
    return child;
  };
  const drop = (name: string, script: string): void => {
    writeFileSync(at('draft'), `#!/bin/sh\n${script}\n`);
    // As what is dropped was written before, and not this very moment.
    utimesSync(at('draft'), 0, 0);
    renameSync(at('draft'), join(spool, 'inbox', name));
  };
  const done = (): string[] => readdirSync(join(spool, 'done')).filter((name) => name.endsWith('.result.json'));
  try {
    mkdirSync(site);
    for (let file = 0; file < 20; file += 1) writeFileSync(join(site, `file${file}`), 'content');
    const address = `127.0.0.1:${21_000 + (process.pid % 9_000)}`;
    run(['mesh', 'init', '--address', address]);
    start(['controller', '--port', '0', '--listen', address]);
    await until(() => client.ready());
    const home = { HAUKI_NODE_HOME: node };
    run(['node', 'join', run(['node', 'invite', 'crm'])], home);
    const tasks = { datasets: [site], unsigned: 'run' };
    const controllers = [`unix:${env.HAUKI_HOME}/controller.sock`];
    writeFileSync(join(node, 'node.yaml'), JSON.stringify({ node: 'crm', controllers, spool, tasks }));
    const running = start(['node', 'run'], home);
    await until(async () => (await client.command('crm', 'ping')).ok);

    mkdirSync(at('lines'));
    let heard = (): void => {};
    const lines = watch(at('lines'), () => heard());
    const measured = async (index: number, told: boolean): Promise<number> => {
      const name = `${told ? 'told' : 'untold'}-${index}`;
      const line = new Promise<void>((wake) => (heard = wake));
      const begun = performance.now();
      drop(name, `: >${at('lines')}/${name}`);
      if (told) await client.command('crm', 'poll');
      await line;
      const ms = performance.now() - begun;
      await until(() => done().includes(`${name}.result.json`));
      const [mutation] = (await client.log({ limit: '1' })).mutations;
      return ms - (Date.parse(mutation?.clearedAt ?? '') - Date.parse(mutation?.requestedAt ?? ''));
    };
    const told: number[] = [];
    for (let index = 0; index < DROPS; index += 1) told.push(await measured(index, true));
    const untold: number[] = [];
    for (let index = 0; index < UNTOLD; index += 1) untold.push(await measured(index, false));
    lines.close();

    await ended(running);
    for (let index = 0; index < QUEUED; index += 1) drop(`queued-${String(index).padStart(3, '0')}`, 'true');
    start(['node', 'run'], home);
    const queued = (): string[] => done().filter((name) => name.startsWith('queued-'));
    await until(() => queued().length === QUEUED);
    const times = queued().map((name) => {
      const result = JSON.parse(readFileSync(join(spool, 'done', name), 'utf8')) as {
        claimedAt: string;
        endedAt: string;
      };
      return [Date.parse(result.claimedAt), Date.parse(result.endedAt)] as const;
    });
    const spanMs = Math.max(...times.map(([, end]) => end)) - Math.min(...times.map(([begin]) => begin));
    const rate = (QUEUED / spanMs) * 1_000;
    const bare = await bareRate(client, site);
    const p50 = quantile(told, 0.5);
    return [
      {
        name: 'drop to first line beyond the snapshot, told, p50',
        value: p50,
        unit: 'ms',
        target: '≤ 100 ms',
        met: p50 <= 100,
      },
      { name: '… p95', value: quantile(told, 0.95), unit: 'ms' },
      {
        name: '… not told, the slowest',
        value: Math.max(...untold),
        unit: 'ms',
        target: '≤ 3 s',
        met: Math.max(...untold) <= 3_000,
      },
      {
        name: `${QUEUED} queued tasks`,
        value: rate,
        unit: '/s',
        peer: { name: 'clearance and sh -c true', value: bare },
        ratio: rate / bare,
        target: '≥ 20 /s',
        met: rate >= 20,
      },
    ];
  } finally {
    for (const child of children) await ended(child);
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** The same without a spool: clearance, the process, commit, one after the other. */
async function bareRate(client: Client, site: string): Promise<number> {
  const begun = performance.now();
  const ask = { intent: 'bench', datasets: [site] };
  for (let index = 0; index < QUEUED; index += 1) {
    const work = (): Promise<void> =>
      new Promise((wake) => void spawn('sh', ['-c', 'true'], { stdio: 'ignore' }).once('exit', () => wake()));
    await guarded(ask, work, { client, clock: systemClock });
  }
  return (QUEUED / (performance.now() - begun)) * 1_000;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((wake) => child.once('exit', wake));
  child.kill('SIGTERM');
  await gone;
}

async function until(look: () => boolean | Promise<boolean>): Promise<void> {
  const patience = performance.now() + 60_000;
  while (
    !(await Promise.resolve()
      .then(look)
      .catch(() => false))
  ) {
    if (performance.now() > patience) throw new Error('waited a minute in vain');
    await new Promise((wake) => setTimeout(wake, 5));
  }
}
