import { spawn } from 'node:child_process';

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';

import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { openPlace, type Place, ROOT } from './place.ts';

/* What is drawn on a terminal, on a pseudo-terminal by script(1); and that none of it comes into a pipe. */

const CTRL_C = '\u0003';

let place: Place;
beforeAll(async () => {
  place = openPlace({ env: { NO_COLOR: '', TERM: 'xterm' } });
  await place.controller(['controller', '--port', '0', '--node', 'base', '--json']);
});
afterAll(() => place.close());

/** Runs hauki on a terminal of its own. */
function onTerminal(args: readonly string[]) {
  const child = spawn('script', ['-qefc', ['./hauki', ...args].join(' '), '/dev/null'], {
    cwd: ROOT,
    env: place.env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  // It may have ended by then.
  child.stdin.on('error', () => undefined);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)));
  const done = new Promise<number | null>((resolve) => void child.once('close', resolve));
  onTestFinished(() => void child.stdin.write(CTRL_C));
  return { type: (keys: string) => void child.stdin.write(keys), said: () => text, done };
}

needs('script').describe('on a terminal', () => {
  test('watch shows events, and below them who holds what; it ends by a signal', async () => {
    const watching = onTerminal(['watch']);
    await until(() => watching.said().includes('nobody holds a lock'), 'the live view is there');
    const guard = place.startGuard('read line', ['--intent', 'a long change'], { input: 'open' });
    await until(() => /● cleared.*a long change/.test(watching.said()), 'it shows who holds the lock');
    expect(watching.said()).toMatch(/Lock secured\. Snapshot/);
    // Painted, and drawn anew in place.
    expect(watching.said()).toContain('\u001b[36m');
    expect(watching.said()).toContain('\u001b[J');
    guard.child.stdin?.end('\n');
    await guard.done;
    await until(() => watching.said().includes('committed'), 'it shows the end');
    watching.type(CTRL_C);
    expect(await watching.done).toBe(130);
  });

  test('a guard that waits says for whom, in one line that is taken away again', async () => {
    const holder = place.startGuard('read line', ['--node', 'alpha', '--intent', 'the first'], { input: 'open' });
    await until(() => /Lock secured/.test(holder.stderr()), 'the first has its lock');
    const waiting = onTerminal(['guard', '--intent', 'second', '--path', place.site, '--', 'true']);
    await until(() => /waiting for alpha, which works on "the first"/.test(waiting.said()), 'it says for whom');
    holder.child.stdin?.end('\n');
    expect(await waiting.done).toBe(0);
    const [, after = ''] = waiting.said().split('Lock secured');
    expect(after).toContain('committed');
    expect(after).not.toContain('waiting for alpha');
  });
});

test('in a pipe nothing is painted or drawn: lines, as programs read them', async () => {
  const watching = place.start(['watch', '--after', '0'], { msMax: 60_000 });
  const { stderr } = await place.guard('exit 3');
  await until(() => watching.stdout().includes('rolled back'), 'the end is told');
  watching.child.kill('SIGTERM');
  await watching.done;
  expect(watching.stdout()).toMatch(/^\d\d:\d\d:\d\d\.\d{3} +\d+ {2}\S+ asks leave: test/m);
  const log = (await place.run(['log'])).stdout;
  // oxlint-disable-next-line no-control-regex -- they are what it is about
  expect(`${stderr}${watching.stdout()}${log}`).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  const forced = (await place.run(['log'], { env: { FORCE_COLOR: '1' } })).stdout;
  expect(forced).toContain('\u001b[33mrolled_back\u001b[39m');
});
