import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';

import { needs } from '../needs.ts';
import { type Sshd, startSshd } from '../reach/sshd.ts';
import { until } from '../until.ts';
import { place } from './place.ts';

/* `hauki exec` as people call it; what each Reach keeps is the conformance suite's. */

async function server(): Promise<{ sshd: Sshd; via: readonly string[] }> {
  const sshd = await startSshd();
  onTestFinished(sshd.close);
  const { knownHosts = '', identity = '', config = '' } = sshd.options;
  const keys = ['--known-hosts', knownHosts, '--identity', identity, '--ssh-config', config];
  return { sshd, via: ['exec', '--via', sshd.destination.name, ...keys] };
}

/** Process ids a command wrote down, that are still there. */
function alive(file: string): number[] {
  const pids = readFileSync(file, 'utf8').trim().split('\n').map(Number);
  return pids.filter(
    (pid) => existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1')),
  );
}

const TREE = 'echo $$ >>"$1"; (sleep 300 & echo $! >>"$1"); sleep 300';

test('local: streams, environment, folder and exit code', async () => {
  const { run, site, folder } = place();
  const script = 'pwd; printf %s "$A"; cat; echo error >&2; echo "${HAUKI_TEST_PLACE-none}"; exit 9';
  const args = ['exec', '--via', 'local', '--cwd', 'inner dir', '--env', "A=b 'c'\n", '--', 'sh', '-c', script];
  mkdirSync(join(site, 'inner dir'));
  const { code, stdout, stderr } = await run(args, { input: 'input\n' });
  expect({ code, stdout, stderr }).toEqual({
    code: 9,
    stdout: `${join(site, 'inner dir')}\nb 'c'\ninput\nnone\n`,
    stderr: 'error\n',
  });
  expect(folder).not.toBe('');
});

test('a signal is told as shells do', async () => {
  const { run } = place();
  expect((await run(['exec', '--via', 'local', '--', 'sh', '-c', 'kill -9 $$'])).code).toBe(137);
  const { stdout } = await run(['exec', '--via', 'local', '--json', '--', 'sh', '-c', 'kill -9 $$']);
  expect(JSON.parse(stdout)).toEqual({ status: 'ended', context: 'local', exitCode: 137, signal: 'SIGKILL' });
});

test('a reader that goes away ends it, without a word of ours', async () => {
  const { run, folder } = place();
  const script = `"$1" exec --via local -- sh -c 'while echo y; do :; done 2>"$0"' "$2" | head -1; echo "\${PIPESTATUS[0]}"`;
  const hauki = join(import.meta.dirname, '../../hauki');
  const { stdout, stderr } = await run(['-c', script, 'bash', hauki, join(folder, 'errors')], { program: 'bash' });
  expect([stdout, stderr]).toEqual(['y\n141\n', '']);
});

test.each<[readonly string[], number, RegExp]>([
  [['exec', '--', 'true'], 64, /no --via/],
  [['exec', '--via', 'local'], 64, /missing required argument/],
  [['exec', '--via', 'docker:crm', '--', 'true'], 64, /not a context.*context_invalid/],
  [['exec', '--via', 'ssh:-oProxyCommand=sh', '--', 'true'], 64, /context_invalid/],
  [['exec', '--via', 'lxd:no_such', '--', 'true'], 64, /context_invalid/],
  [['exec', '--via', 'local', '--env', 'secret', '--', 'true'], 64, /An --env has no name/],
  [['exec', '--via', 'local', '--timeout', '5', '--', 'true'], 64, /duration_invalid/],
  [['exec', '--via', 'local', '--', 'hauki-no-such-program'], 75, /is not there on local.*command_unstartable/],
  [['exec', '--via', 'local', '--cwd', 'none', '--', 'true'], 75, /cannot be entered/],
  [['exec', '--via', 'ssh:127.0.0.1:1', '--', 'true'], 75, /cannot be reached.*context_unreachable/],
  [
    ['exec', '--via', 'local', '--timeout', '300ms', '--', 'sleep', '60'],
    70,
    /its time of 300 ms is up.*command_stopped/,
  ],
])('%j: exit %i', async (args, code, words) => {
  const { run } = place();
  const outcome = await run(args);
  expect({ code: outcome.code, stdout: outcome.stdout }).toEqual({ code, stdout: '' });
  expect(outcome.stderr).toMatch(words);
});

describe('ending it', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s ends all its processes', async (signal) => {
    const { start, folder } = place();
    const file = join(folder, 'pids');
    const running = start(['exec', '--via', 'local', '--', 'sh', '-c', TREE, 'sh', file]);
    await until(() => existsSync(file) && alive(file).length === 2, 'both run');
    process.kill(running.pid, signal);
    expect((await running.done).code).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
    expect(alive(file)).toEqual([]);
  });
});

needs('sshd', 'ssh-keygen').describe('over ssh', () => {
  test('arguments and bytes arrive, and the exit code comes back', async () => {
    const { run } = place();
    const { via } = await server();
    const odd = ['a b', "'", '"$(id)`id`', '\n', '', '*'];
    const { code, stdout } = await run([...via, '--', 'sh', '-c', 'printf "%s\\0" "$@"; cat; exit 255', 'sh', ...odd], {
      input: 'end',
    });
    expect([code, stdout]).toEqual([255, [...odd, 'end'].join('\0')]);
  });

  test('an interrupt ends it there', async () => {
    const { start, folder } = place();
    const { via } = await server();
    const file = join(folder, 'pids');
    const running = start([...via, '--', 'sh', '-c', TREE, 'sh', file]);
    await until(() => existsSync(file) && alive(file).length === 2, 'both run');
    process.kill(running.pid, 'SIGINT');
    expect((await running.done).code).toBe(130);
    expect(alive(file)).toEqual([]);
  });

  test('a connection that breaks is not an exit code', async () => {
    const { start, folder } = place();
    const { via, sshd } = await server();
    const file = join(folder, 'pids');
    const running = start([...via, '--', 'sh', '-c', 'echo $$ >>"$1"; exec sleep 300', 'sh', file]);
    await until(() => existsSync(file), 'it runs');
    const carrier = await sshd.connection(running.pid);
    process.kill(carrier, 'SIGKILL');
    const { code, stderr } = await running.done;
    expect(code).toBe(70);
    expect(stderr).toMatch(/broke while sh ran there.*command_lost/);
    await until(() => alive(file).length === 0, 'nothing is left of it');
  });

  test('under a guard it works for the mutation, and ends with it before anything is undone', async () => {
    const { start, site, folder, mutations } = place();
    const { via } = await server();
    const file = join(folder, 'pids');
    // Ignores what asks it to end, and writes on: whoever rolled back too early would be found out.
    const script = `trap '' TERM; echo $$ >>"$1"; while :; do echo more >>"$2"; sleep 0.05; done`;
    const inner = [...via, '--', 'sh', '-c', script, 'sh', file, join(site, 'written')];
    const hauki = join(import.meta.dirname, '../../hauki');
    const running = start(['guard', '--intent', 'afar', '--path', site, '--', hauki, ...inner]);
    await until(() => existsSync(file) && existsSync(join(site, 'written')), 'it runs');
    const environ = readFileSync(`/proc/${alive(file)[0]}/environ`, 'latin1').split('\0');
    const [mutation] = await mutations();
    expect(environ).toContain(`HAUKI_MUTATION=${mutation?.mutation}`);
    expect(environ).toContain('HAUKI_INTENT=afar');
    // Twice: the first asks it to wait for the command, the second stops it.
    process.kill(running.pid, 'SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.kill(running.pid, 'SIGTERM');
    await running.done;
    expect(alive(file)).toEqual([]);
    expect(existsSync(join(site, 'written'))).toBe(false);
    expect((await mutations())[0]?.stage).toBe('rolled_back');
  });
});
