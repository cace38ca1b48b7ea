import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import type { Row } from './row.ts';

const HAUKI = resolve('hauki');
/** Long enough for what a start leaves behind to be gone. */
const SETTLE_MS = 10_000;

/** The memory of an idle node process, linked over mutual TLS as in production, against a Node process that does nothing. */
export async function nodeBench(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-bench-'));
  const home = join(folder, 'node');
  const env = { ...process.env, HAUKI_HOME: join(folder, 'home') };
  const hauki = (args: readonly string[], more: NodeJS.ProcessEnv = {}): string => {
    const { status, stdout, stderr } = spawnSync(HAUKI, args, { env: { ...env, ...more }, encoding: 'utf8' });
    if (status !== 0) throw new Error(`hauki ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  hauki(['mesh', 'init']);
  const controller = spawn(HAUKI, ['controller', '--port', '0', '--listen', '127.0.0.1:0', '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await new Promise((ready) => controller.stdout.once('data', ready));
  hauki(['node', 'join', hauki(['node', 'invite', 'crm']).trim()], { HAUKI_NODE_HOME: home });
  const node = spawn(HAUKI, ['node', 'run'], { env: { ...env, HAUKI_NODE_HOME: home }, stdio: 'ignore' });
  const idle = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  try {
    await new Promise((done) => setTimeout(done, SETTLE_MS));
    if (!/live since/.test(hauki(['node', 'list']))) throw new Error('the node is not linked');
    const [value, bare] = [rssOf(node.pid), rssOf(idle.pid)];
    return [
      {
        name: 'node process idle, RSS',
        value,
        unit: 'MB',
        peer: { name: 'node that does nothing', value: bare },
        ratio: value / bare,
        target: '≤ 60 MB',
        met: value <= 60,
      },
    ];
  } finally {
    for (const child of [node, idle, controller]) child.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** In MB of a million bytes. */
function rssOf(pid = 0): number {
  return (Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024) / 1e6;
}
